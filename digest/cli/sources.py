"""digest sources: where articles are gathered from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame
from digest.errors import NeedsDecision

if TYPE_CHECKING:
    from digest.gather.looking import Target
    from digest.wiring import App

app = frame.noun("Where articles are gathered from.")


def plain(row: Any) -> dict[str, Any]:
    """A source as --json shows it."""
    keys = ("id", "url", "type", "name", "section", "kind", "weight", "language", "max_items", "active", "state")
    looks = ("looked_at", "succeeded_at", "next_look_at", "failures", "error", "moved_from", "held_for", "held")
    from digest.gather.hosts import without_secrets

    shown = {key: getattr(row, key) for key in (*keys, *looks, "declared_line", "selectors", "folder")}
    return shown | {key: without_secrets(shown[key]) for key in ("url", "moved_from") if shown[key]}


_Type = Annotated[
    str | None, typer.Option("--type", help="feed, sitemap, page, wordpress or folder. Default: found out.")
]
_Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="NAME=CSS", help="Of a page: article=li.post, image=img@data-src ..."),
]
_Folder = Annotated[Path | None, typer.Option(help="Of Markdown files; URL is then where they can be read.")]


@app.command("add")
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The address of a feed, or of a site that has one.")],
    name_id: Annotated[str | None, typer.Option("--id", help="Default: its host.")] = None,
    name: Annotated[str, typer.Option(help="As readers see it.")] = "",
    section: Annotated[str | None, typer.Option(help="Section of its articles that name none.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of its articles that name none.")] = None,
    weight: Annotated[float, typer.Option(help="How much its articles count.")] = 1.0,
    language: Annotated[str | None, typer.Option(help='Like "en" or "pt-BR".')] = None,
    max_items: Annotated[int | None, typer.Option(help="Most articles taken from it at a time.")] = None,
    type_: _Type = None,
    select: _Select = None,
    folder: _Folder = None,
    number: Annotated[int | None, typer.Option("--feed", min=1, help="Which one, where several were found.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="The best one, where several were found.")] = False,
    check: Annotated[bool, typer.Option(" /--no-check", help="Add it as it is, without asking its server.")] = True,
) -> None:
    """Add a source: a feed, or what is found at a site's address. It is read once before it is added.

    \b
    Examples:
      digest sources add https://example.org/
      digest sources add https://example.org/blog.xml --id blog --name "The Blog" --section Opinion
      digest sources add https://example.org/press --type page --select article=li.item
      digest sources add https://example.org/notes/ --folder notes
    """
    from digest import byhand, db
    from digest.gather import looking

    here = frame.of(ctx)
    given: dict[str, Any] = {"id": name_id, "name": name, "section": section, "kind": kind, "weight": weight}
    given |= {"language": language, "max_items": max_items, "type": type_, "select": _pairs(select)}
    byhand.checked("sources", url=url, **given)
    at = looking.given(url.strip(), type_=type_, select=given["select"], folder=str(folder) if folder else None)
    with here.app() as app:
        with db.reading(app.engine) as session:
            byhand.refuse_known(session, at.url, name_id)
        if check:
            url, type_ = _found(here, app, at, number, yes)
        else:
            url, type_ = at.url, at.type or "feed"
        with db.writing(app.engine) as session:
            given |= {"type": type_, "folder": str(at.folder) if at.folder else None}
            row = byhand.add_source(session, url, app.clock(), **given)
            session.flush()
            data = plain(row)
    found = "" if url == at.url else f" Its {type_} was found at {url}."
    here.out({"source": data}, f'Added the source "{data["id"]}"; digest gather fetches it.{found}')


def _pairs(select: list[str] | None) -> dict[str, str] | None:
    from digest.errors import UsageError

    pairs = [one.partition("=") for one in select or ()]
    for name, sign, css in pairs:
        if not (sign and name.strip() and css.strip()):
            raise UsageError(f'--select: expected NAME=CSS like article=li.post, got "{name}{sign}{css}"')
    return {name.strip(): css.strip() for name, _, css in pairs} or None


def _found(here: frame.Frame, app: App, at: Target, number: int | None, yes: bool) -> tuple[str, str]:
    """The address and type of what is to be added, read once; several found and none chosen end the command."""
    import asyncio

    from digest.errors import DigestError, UsageError
    from digest.gather import finding

    if at.type is not None:
        for problem in _look(app, at):
            here.say(problem)
        return at.url, at.type
    try:
        found = asyncio.run(finding.find(app.config, at.url, app.clock()))
    except DigestError as error:
        raise DigestError(f"{error}; --no-check adds it as it is") from error
    if number is not None and number > len(found):
        raise UsageError(f"--feed: expected a number up to {len(found)}, got {number}")
    if len(found) > 1 and number is None and not yes:
        rows = [[n, one.type, len(one.feed.entries), one.title, one.url] for n, one in enumerate(found, 1)]
        keys = ("number", "type", "articles", "title", "url")
        lines = frame.columns([key.upper() for key in keys], rows, widest=100)
        here.out({"found": [dict(zip(keys, row, strict=True)) for row in rows]}, lines)
        here.say(f"{at.url}: {len(found)} feeds were found, none was added: --feed NUMBER takes one, --yes the first.")
        raise typer.Exit(frame.EXIT[NeedsDecision])
    chosen = found[(number or 1) - 1]
    return chosen.url, chosen.type


def _look(app: App, at: Target) -> tuple[str, ...]:
    """What is not well with a source that could be read; DigestError with one sentence where it could not."""
    import asyncio

    from digest.errors import DigestError
    from digest.gather.outcomes import Fetched
    from digest.gather.run import check

    outcome, feed = asyncio.run(check(app.config, at, app.clock()))
    if not isinstance(outcome, Fetched) or feed is None:
        raise DigestError(f"{getattr(outcome, 'sentence', f'{at.url}: it was not read')}; --no-check adds it as it is")
    if not feed.kind:
        raise DigestError(f"{outcome.shown}: {'; '.join(feed.problems)}; --no-check adds it as it is")
    return feed.problems


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
    keys = ("id", "state", "type", "section", "name", "url", "succeeded_at", "next_look_at", "error")
    lines = frame.columns([key.upper() for key in keys], [[row[key] for key in keys] for row in rows])
    here.out({"sources": rows}, lines if rows else "There are no sources yet: digest sources add URL.")


@app.command("check")
def check(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID_OR_URL", help="A source, or an address.")],
    type_: _Type = None,
    select: _Select = None,
    folder: _Folder = None,
) -> None:
    """Fetch a source now and show how it reads, without storing anything.

    \b
    Examples:
      digest sources check blog
      digest sources check https://example.org/feed.xml
      digest sources check https://example.org/press --type page --select article=li.item
    """
    import asyncio

    from digest import byhand, db
    from digest.errors import DigestError
    from digest.gather import inspecting, looking
    from digest.gather.outcomes import Fetched
    from digest.gather.run import check as look

    here = frame.of(ctx)
    pairs = _pairs(select)
    byhand.checked("sources", type=type_, select=pairs)
    with here.app() as app:
        if "://" in name:
            at = looking.given(name, type_=type_, select=pairs, folder=str(folder) if folder else None)
        else:
            with db.reading(app.engine) as session:
                at = looking.target(byhand.source(session, name), here.path.absolute().parent)
        outcome, feed = asyncio.run(look(app.config, at, app.clock()))
    if not isinstance(outcome, Fetched) or feed is None:
        raise DigestError(getattr(outcome, "sentence", f"{at.url}: it gave nothing to read"))
    data = inspecting.told(name, feed)
    rows = [[entry["published"], entry["title"]] for entry in data["entries"][:10]]
    about = f'{data["kind"] or "no source"}: "{data["title"]}", {len(data["entries"])} entries'
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
    folders: Annotated[bool, typer.Option("--folders", help="Also sources that read folders of this machine.")] = False,
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
        done = byhand.import_feeds(session, feeds, app.clock(), folders)
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
            opml.Feed(
                **{key: getattr(row, key) for key in ("url", "id", *byhand.OF_FEED) if key != "select"},
                select=row.selectors,
            )
            for row in session.exec(select(Source).where(Source.id != byhand.BY_HAND))
            if row.active
        ]
    text = opml.write(here.config.site.name, feeds)
    here.out({"opml": text}, text.removesuffix("\n"))
