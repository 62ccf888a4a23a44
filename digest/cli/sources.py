"""digest sources: the feeds that articles are gathered from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli import frame

app = frame.noun("The feeds that articles are gathered from.")


def plain(row: Any) -> dict[str, Any]:
    """A source as --json shows it."""
    keys = ("id", "url", "name", "section", "kind", "weight", "language", "max_items", "active", "state")
    looks = ("looked_at", "succeeded_at", "next_look_at", "failures", "error", "moved_from", "held_for", "held")
    return {key: getattr(row, key) for key in (*keys, *looks, "declared_line")}


@app.command("add")
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of the feed.")],
    name_id: Annotated[str | None, typer.Option("--id", help="Default: its host.")] = None,
    name: Annotated[str, typer.Option(help="As readers see it.")] = "",
    section: Annotated[str | None, typer.Option(help="Section of its articles that name none.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of its articles that name none.")] = None,
    weight: Annotated[float, typer.Option(help="How much its articles count.")] = 1.0,
    language: Annotated[str | None, typer.Option(help='Like "en" or "pt-BR".')] = None,
    max_items: Annotated[int | None, typer.Option(help="Most articles taken from it at a time.")] = None,
) -> None:
    """Add a feed.

    \b
    Examples:
      digest sources add https://example.org/feed.xml
      digest sources add https://example.org/blog.xml --id blog --name "The Blog" --section Opinion
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.writing(app.engine) as session:
        given = {"id": name_id, "name": name, "section": section, "kind": kind, "weight": weight}
        row = byhand.add_source(session, url, app.clock(), **given, language=language, max_items=max_items)
        session.flush()
        data = plain(row)
    here.out({"source": data}, f'Added the source "{data["id"]}"; digest gather fetches it.')


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """Show all sources and how they are doing.

    \b
    Examples:
      digest sources list
      digest sources list --json
    """
    from sqlmodel import col, select

    from digest import db
    from digest.models import Source

    here = frame.of(ctx)
    with here.app() as app, db.reading(app.engine) as session:
        rows = [plain(row) for row in session.exec(select(Source).order_by(col(Source.id)))]
    keys = ("id", "state", "section", "name", "url", "succeeded_at", "next_look_at", "error")
    lines = frame.columns([key.upper() for key in keys], [[row[key] for key in keys] for row in rows])
    here.out({"sources": rows}, lines if rows else "There are no sources yet: digest sources add URL.")


@app.command("check")
def check(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID_OR_URL", help="A source, or the address of a feed.")],
) -> None:
    """Fetch a feed now and show how it reads, without storing anything.

    \b
    Examples:
      digest sources check blog
      digest sources check https://example.org/feed.xml
    """
    import asyncio

    from digest import byhand, db
    from digest.errors import DigestError
    from digest.gather.inspecting import inspect_feed
    from digest.gather.outcomes import Fetched
    from digest.gather.run import check as look

    here = frame.of(ctx)
    with here.app() as app:
        url = name
        if "://" not in name:
            with db.reading(app.engine) as session:
                url = byhand.source(session, name).url
        outcome, feed = asyncio.run(look(app.config, url, app.clock()))
    if not isinstance(outcome, Fetched) or feed is None:
        raise DigestError(getattr(outcome, "sentence", f"{url}: it gave no feed"))
    data = inspect_feed(name, outcome.body, url=outcome.url, content_type=outcome.content_type)
    rows = [[entry["published"], entry["title"]] for entry in data["entries"][:10]]
    about = f'{data["kind"] or "no feed"}: "{data["title"]}", {len(data["entries"])} entries'
    here.out(data, [about, *frame.columns(["PUBLISHED", "TITLE"], rows), *data["problems"]])


@app.command("retry")
def retry(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="The source's id.")],
) -> None:
    """Have a source asked again that is gone, off, late or failing.

    \b
    Example:
      digest sources retry blog
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.writing(app.engine) as session:
        data = plain(byhand.retry_source(session, name))
    here.out({"source": data}, f'The source "{name}" is asked again: digest gather --source {name}.')


@app.command("remove")
def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="The source's id.")],
) -> None:
    """Take a source away; one that articles came from is switched off, and they stay.

    \b
    Example:
      digest sources remove blog
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.writing(app.engine) as session:
        gone = byhand.remove_source(session, name)
    said = "Removed" if gone else "Switched off (its articles stay)"
    here.out({"source": {"id": name, "removed": gone}}, f'{said} the source "{name}".')


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="OPML", help="A file of feeds; - for stdin.")],
) -> None:
    """Add the feeds of an OPML file; its folders become sections. URLs that are known stay as they are.

    \b
    Example:
      digest sources import feeds.opml
    """
    from digest import byhand, db, opml

    here = frame.of(ctx)
    feeds = opml.read(_content(file))
    with here.app() as app, db.writing(app.engine) as session:
        done = byhand.import_feeds(session, feeds, app.clock())
    bad = [{"line": line, "reason": reason} for line, reason in done.bad]
    here.out(
        {"added": done.added, "known": done.known, "bad": bad},
        [
            f"Added {len(done.added)} sources; {len(done.known)} were known.",
            *(f"line {one['line']}: {one['reason']}" for one in bad),
        ],
    )


def _content(file: Path) -> bytes:
    from digest.errors import UsageError

    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: expected a readable file, got: {error.strerror}") from error


@app.command("export")
def export(ctx: typer.Context) -> None:
    """Write all sources as OPML on stdout; import reads it back without loss.

    \b
    Example:
      digest sources export > feeds.opml
    """
    from sqlmodel import select

    from digest import byhand, db, opml
    from digest.models import Source

    here = frame.of(ctx)
    with here.app() as app, db.reading(app.engine) as session:
        feeds = [
            opml.Feed(row.url, row.name, row.section, row.language, row.id, row.kind, row.weight, row.max_items)
            for row in session.exec(select(Source).where(Source.id != byhand.BY_HAND))
            if row.active
        ]
    text = opml.write(here.config.site.name, feeds)
    here.out({"opml": text}, text.removesuffix("\n"))
