"""digest articles: what was gathered, and what is added and hidden by hand."""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame
from digest.errors import PageUnread, UsageError

if TYPE_CHECKING:
    from digest.gather.outcomes import Outcome
    from digest.wiring import App

app = frame.noun("What was gathered; add, hide and boost by hand.")

_Which = Annotated[str, typer.Argument(metavar="ARTICLE", help="Its number or its URL.")]


def plain(row: Any) -> dict[str, Any]:
    """An article as --json shows it."""
    keys = ("id", "url", "title", "dek", "bylines", "kind", "section", "categories", "language")
    image = {"url": row.image_url, "alt": row.image_alt, "credit": row.image_credit} if row.image_url else None
    more = ("published_at", "first_seen_at", "hidden", "added_by_hand", "boost", "held_for")
    return (
        {key: getattr(row, key) for key in keys}
        | {"source": row.source_id, "image": image}
        | {key: getattr(row, key) for key in more}
    )


@app.command("list")
def list_(
    ctx: typer.Context,
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    section: Annotated[str | None, typer.Option(help="Only of this section.")] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Only hidden ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 50,
) -> None:
    """Show articles, the newest first.

    \b
    Examples:
      digest articles list
      digest articles list --source blog --limit 10
    """
    from sqlmodel import col, select

    from digest import db
    from digest.models import Article

    here = frame.of(ctx)
    wanted = select(Article).where(col(Article.hidden) == hidden)
    wanted = wanted.where(Article.source_id == source) if source else wanted
    wanted = wanted.where(Article.section == section) if section else wanted
    with here.app() as app, db.reading(app.engine) as session:
        found = session.exec(wanted.order_by(col(Article.available_at).desc(), col(Article.id).desc()).limit(limit))
        rows = [plain(row) for row in found]
    table = [[row["id"], row["published_at"], row["source"], row["section"], row["title"]] for row in rows]
    lines = frame.columns(["ID", "PUBLISHED (UTC)", "SOURCE", "SECTION", "TITLE"], table)
    here.out({"articles": rows}, lines if rows else "There are none: digest gather fetches the sources.")


@app.command("show")
def show(ctx: typer.Context, which: _Which) -> None:
    """Show one article with all that is known of it.

    \b
    Examples:
      digest articles show 12
      digest articles show https://example.org/story
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.reading(app.engine) as session:
        data = plain(byhand.article(session, which))
    bylines = ", ".join(" / ".join(filter(None, (by["name"], by.get("organisation")))) for by in data["bylines"])
    shown = {**data, "bylines": bylines, "categories": ", ".join(data["categories"])}
    shown["image"] = data["image"] and data["image"]["url"]
    here.out({"article": data}, [f"{key}: {value}" for key, value in shown.items() if value not in (None, "", False)])


@app.command("add")
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it can be read.")],
    title: Annotated[str, typer.Option(help="Its headline.")] = "",
    dek: Annotated[str, typer.Option(help="The sentence under the headline.")] = "",
    author: Annotated[list[str] | None, typer.Option(help="Who wrote it; may be given several times.")] = None,
    kind: Annotated[str | None, typer.Option(help="Analysis, Reporting, Opinion ...")] = None,
    section: Annotated[str | None, typer.Option(help="Its section.")] = None,
    image: Annotated[str | None, typer.Option(help="URL of its picture.")] = None,
    image_alt: Annotated[str, typer.Option(help="What the picture shows.")] = "",
    published: Annotated[str | None, typer.Option(help="An instant like 2026-11-20T07:00Z; default: now.")] = None,
    no_fetch: Annotated[bool, typer.Option("--no-fetch", help="Don't read the page; --title is needed then.")] = False,
) -> None:
    """Add an article that no feed brings; what is not given is read from its page.

    \b
    Examples:
      digest articles add https://example.org/story
      digest articles add https://example.org/story --title "A story" --author "Jo Doe" --section Europe
    """
    from digest import byhand, db

    here = frame.of(ctx)
    if not title.strip() and no_fetch:
        raise UsageError("--title: missing, expected the headline of the article")
    given = {"title": _line(title, 300), "dek": _line(dek, 1000), "kind": kind, "section": section}
    bylines = [{"name": _line(name, 200), "organisation": ""} for name in author or ()]
    image = byhand.checked("sources", url=image)["url"] if image else None
    picture = {"image_url": image, "image_alt": _line(image_alt, 500)}
    at = frame.instant("--published", published) if published else None
    with here.app() as app:
        more = {**given, **picture, "bylines": bylines, "published_at": at}
        if not no_fetch and not title.strip():
            more = _from_page(app, byhand.checked("sources", url=url)["url"], more)
        with db.writing(app.engine) as session:
            db.take_turn(session)
            row = byhand.add_article(session, url, app.clock(), **more)
            session.flush()
            data = plain(row)
    here.out({"article": data}, f'Added article {data["id"]} of the source "{data["source"]}".')


def _from_page(app: App, url: str, given: dict[str, Any]) -> dict[str, Any]:
    """What was given, and for the rest what the page says; Unreadable if it says no headline."""
    from digest.gather.completing import facts
    from digest.gather.fetch import fetcher
    from digest.gather.outcomes import Fetched, Unchanged
    from digest.gather.pages import read

    async def asked() -> Outcome:
        async with fetcher(app.config) as fetching:
            return await fetching.fetch(url, None, app.clock())

    outcome = asyncio.run(asked())
    if not isinstance(outcome, Fetched):
        said = "unchanged" if isinstance(outcome, Unchanged) else outcome.sentence
        raise PageUnread(f"{said}: give its headline with --title")
    told = facts.told(read(outcome.body, url=outcome.url, content_type=outcome.content_type))
    if not told.get("title"):
        raise PageUnread(f"{url} says no headline: give it with --title")
    if told.get("published_at"):
        at = datetime.fromisoformat(told["published_at"])
        told["published_at"] = at if at <= app.clock() else None
    wanted = {*given, "language"}
    return {**{name: told[name] for name in wanted & told.keys()}, **{key: one for key, one in given.items() if one}}


def _line(text: str, longest: int) -> str:
    return " ".join(frame.printable(text).split())[:longest]


@app.command("hide")
def hide(
    ctx: typer.Context,
    which: _Which,
    undo: Annotated[bool, typer.Option("--undo", help="Show it again.")] = False,
) -> None:
    """Keep an article out of every issue that has not left yet.

    \b
    Examples:
      digest articles hide 12
      digest articles hide 12 --undo
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.writing(app.engine) as session:
        data = plain((byhand.show_article if undo else byhand.hide_article)(session, which))
    here.out({"article": data}, f"Article {data['id']} is {'shown again' if undo else 'hidden'}.")


@app.command("boost")
def boost(
    ctx: typer.Context,
    which: _Which,
    factor: Annotated[float, typer.Argument(min=0.0, max=10.0, metavar="FACTOR", help="0 to 10; 1 is as ranked.")],
) -> None:
    """Have an article count more or less in every issue that has not left yet: its score times FACTOR.

    \b
    Examples:
      digest articles boost 12 1.5
      digest articles boost https://example.org/story 1
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.writing(app.engine) as session:
        data = plain(byhand.boost_article(session, which, factor))
    then = "digest issues compose EDITION counts it in."
    here.out({"article": data}, f"Article {data['id']} counts {data['boost']:g} times. {then}")


class Kind(StrEnum):
    """What a file of counts counts."""

    points = "points"
    clicks = "clicks"


@app.command("engagement")
def engagement(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header: a column of URLs, one of counts.")],
    *,
    kind: Annotated[Kind, typer.Option(help="What is counted.")],
    columns: Annotated[
        str | None, typer.Option("--map", metavar="url=NAME,count=NAME", help="Which columns; default: by their names.")
    ] = None,
) -> None:
    """Take over how often articles were clicked, or their points elsewhere; a later file replaces what it names.

    \b
    Examples:
      digest articles engagement clicks.csv --kind clicks
      digest articles engagement votes.csv --kind points --map url=link,count=score
    """
    from digest import db
    from digest.engagement import read_counts, store_counts

    here = frame.of(ctx)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: expected a readable CSV file, got: {error.strerror}") from error
    sheet = read_counts(text, str(kind), _mapped(columns))
    with here.app() as app, here.progress() as progress, db.writing(app.engine) as session:
        report = store_counts(session, sheet, str(kind), app.clock(), progress)
    bad = [f"  line {line}: {reason}" for line, reason in report.bad]
    said = f'{report.stored:,} articles have {kind} now (columns "{sheet.url}" and "{sheet.count}").'
    here.out(
        {"stored": report.stored, "columns": {"url": sheet.url, "count": sheet.count}, "bad": report.bad},
        [said, *([f"Not taken: {len(bad):,}", *bad] if bad else [])],
    )


def _mapped(given: str | None) -> dict[str, str]:
    pairs = dict(part.partition("=")[::2] for part in (given or "").split(",") if part)
    if any(name not in ("url", "count") or not column for name, column in pairs.items()):
        raise UsageError(f'--map: expected url=NAME,count=NAME with names of columns, got "{given}"')
    return pairs


@app.command("release")
def release(
    ctx: typer.Context,
    which: Annotated[str | None, typer.Argument(metavar="[ARTICLE]", help="Its number or its URL.")] = None,
    source: Annotated[str | None, typer.Option(help="All of this source, and what it brings from now on.")] = None,
) -> None:
    """Let in what was held: too many articles at once, or those of a source that may have a new owner.

    \b
    Examples:
      digest articles release 12
      digest articles release --source blog
    """
    from digest import byhand, db

    here = frame.of(ctx)
    if (which is None) == (source is None):
        raise UsageError("expected an article or --source ID, one of the two")
    with here.app() as app, db.writing(app.engine) as session:
        db.take_turn(session)
        if source is not None:
            count = byhand.release_source(session, source, app.clock())
            here.out({"source": source, "released": count}, f'{count:,} articles of "{source}" are let in.')
            return
        data = plain(byhand.release_article(session, which or "", app.clock()))
    here.out({"article": data}, f"Article {data['id']} is let in.")
