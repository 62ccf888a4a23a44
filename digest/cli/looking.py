"""digest issues, before it goes out: preview it as its readers will see it, check its links."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame
from digest.cli.outgoing import chosen_of
from digest.errors import UsageError

if TYPE_CHECKING:
    from digest.linkcheck.judging import Checked
    from digest.previewing.page import Shown
    from digest.proofs import Share
    from digest.wiring import App

_VARIANTS = 10
_IssueId = Annotated[int | None, typer.Argument(metavar="[ISSUE]", help="Its id; default: the latest.")]


def preview(
    ctx: typer.Context,
    issue: _IssueId = None,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path("preview"),
    readers: Annotated[
        list[str] | None, typer.Option("--as", metavar="ADDRESS", help="As this reader of the list; may be repeated.")
    ] = None,
    variants: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="So many variants, those of the most readers first; default: 10."),
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Pictures, too; wants Chromium.")] = False,
) -> None:
    """Write an issue as it would be sent: index.html to look at, the HTML and text parts, the raw message.

    The page shows it wide, narrow, dark, without images and without styles, with its size and what is wrong with it.
    Where readers chose sections, authors or languages, each variant has a page that says how many get it; with --as
    there is one for what a reader gets.

    \b
    Examples:
      digest issues preview 12 --to /tmp/preview
      digest issues preview 12 --as someone@example.org --as other@example.org
      digest issues preview --variants 3 --png
    """
    from digest import readying
    from digest.previewing import browser, folder, page

    if readers and variants:
        raise UsageError("--as shows readers, --variants the variants with the most of them: expected one of both")
    here = frame.of(ctx)
    program = browser.binary() if png else None
    with here.app() as app, here.progress() as progress:
        chosen = chosen_of(app, issue)
        lost = asyncio.run(readying.have_pictures(app, chosen, progress=progress))
        if readers:
            seen, beyond = [_shown(app, chosen, lost, reader=reader) for reader in readers], ""
        else:
            seen, beyond = _variants(app, chosen, lost, variants or _VARIANTS)
        shown = seen[0]
        files = {name: html.encode() for name, html in page.pages(seen, app.templates, beyond).items()}
        files |= {"issue.html": shown.html.encode(), "issue.txt": shown.text.encode(), "issue.eml": shown.raw}
        views = page.views(shown.seen) if program else ()
        drawn = [to / f"{view.id}.png" for view in views]
        folder.write(to, files, [path.name for path in drawn])
        for done, (view, path) in enumerate(zip(views, drawn, strict=True), 1):
            browser.picture(program or "", view, path)
            progress("Pictures", done, len(views))
    data = {"subject": shown.subject, "folder": str(to), "html_bytes": len(files["issue.html"])}
    data |= {"problems": list(shown.problems), "page": str(to / "index.html"), "pictures": [str(one) for one in drawn]}
    data |= {"shown": [one.name for one in seen], "beyond": beyond}
    written = [f"  {to / name}  ({len(content):,} bytes)" for name, content in files.items()]
    written += [f"  {one}" for one in drawn]
    here.out(data, [f"Subject: {shown.subject}", *written, *filter(None, [beyond]), *shown.problems])


def check(ctx: typer.Context, issue: _IssueId = None) -> None:
    """Ask every link of an issue whether it leads somewhere; the answer is kept, and shown when it is approved.

    A link is dead when it says so (404, 410), when there is no such host, when nobody answers there, or with a wrong
    certificate. Of servers that refuse programs, are busy or slow nothing can be told.

    \b
    Example:
      digest issues check 12
    """
    from digest import readying
    from digest.linkcheck.judging import told

    here = frame.of(ctx)
    with here.app() as app, here.progress() as progress:
        chosen = chosen_of(app, issue)
        found = asyncio.run(readying.check_links(app, chosen, progress=progress))
    here.out({"issue": chosen, **as_data(found)}, told(found, found.content_hash))


VERBS = (preview, check)


def as_data(checked: Checked) -> dict[str, Any]:
    """A look at links as --json gives it."""
    from digest.linkcheck.judging import to_json

    return {**to_json(checked), "dead": len(checked.dead), "untold": len(checked.untold)}


def _variants(app: App, issue_id: int, problems: tuple[str, ...], most: int) -> tuple[list[Shown], str]:
    """The variants with the most readers, and a sentence about those beyond; everybody's where there is no reader."""
    from digest import db, proofs

    with db.reading(app.engine) as session:
        shares = proofs.shares_of(app, session, issue_id)
    asked: list[Share | None] = [*shares.variants[:most]]
    seen = [_shown(app, issue_id, problems, share=share) for share in asked or [None]]
    left = shares.variants[most:]
    if not left:
        return seen, ""
    more = "1 more variant is" if len(left) == 1 else f"{len(left):,} more variants are"
    return seen, f"{more} not shown, for {_readers(sum(one.readers for one in left))}."


def _name(share: Share) -> str:
    readers = _readers(share.readers)
    if not share.key:
        return f"everybody, {readers}"
    articles = "1 article" if len(share.articles) == 1 else f"{len(share.articles)} articles"
    return f"{share.key[:8]}, {readers}, {articles}, {share.language}"


def _readers(count: int) -> str:
    return "1 reader" if count == 1 else f"{count:,} readers"


def _shown(
    app: App, issue_id: int, problems: tuple[str, ...], *, reader: str | None = None, share: Share | None = None
) -> Shown:
    from html import escape

    from digest import pipeline, proofs, readying
    from digest.blanks import URLS, Blank, fill
    from digest.deliver.lint import lint
    from digest.deliver.trial import specimen
    from digest.pictures import run as pictures
    from digest.previewing.page import Shown

    stationery, wrong, list_id = pipeline.stationery_of(app, issue_id, reader, share)
    address = reader or "reader@example.org"
    fields = proofs.fields_for(app, stationery, reader)
    raw = specimen(app.config, app.links, stationery, list_id=list_id, address=address, now=app.clock(), fields=fields)
    values, word = {**dict.fromkeys(URLS, app.links.subscribe()), Blank.NAME: ""}, stationery.blank_word
    html = fill(stationery.html, word, values, [*map(escape, fields)])
    subject, text = (fill(part, word, values, fields) for part in (stationery.subject, stationery.text))
    found = [*problems, *wrong, *(f"{failure.row}: {failure.what}" for failure in lint(raw, loopback=True))]
    found += [*readying.warnings(app, issue_id), *proofs.unknown_fields(app, stationery, list_id)]
    name = _name(share) if share else reader or "everybody"
    return Shown(name, subject, html, text, raw, tuple(found), pictures.content_of(app.engine, app.links, html))
