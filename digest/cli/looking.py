"""digest issues, before it goes out: preview it as its readers will see it, check its links."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame
from digest.cli.outgoing import chosen_of
from digest.errors import DigestError

if TYPE_CHECKING:
    from digest.linkcheck.judging import Checked
    from digest.previewing.page import Shown
    from digest.wiring import App

_IssueId = Annotated[int | None, typer.Argument(metavar="[ISSUE]", help="Its id; default: the latest.")]


def preview(
    ctx: typer.Context,
    issue: _IssueId = None,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path("preview"),
    readers: Annotated[
        list[str] | None, typer.Option("--as", metavar="ADDRESS", help="As this reader of the list; may be repeated.")
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Pictures, too; wants Chromium.")] = False,
) -> None:
    """Write an issue as it would be sent: index.html to look at, the HTML and text parts, the raw message.

    The page shows it wide, narrow, dark, without images and without styles, with its size and what is wrong with it.
    With --as it is what a reader gets of it, by the sections, authors and language they chose.

    \b
    Examples:
      digest issues preview 12 --to /tmp/preview
      digest issues preview 12 --as someone@example.org --as other@example.org
      digest issues preview --png
    """
    from digest import readying
    from digest.previewing import browser, page

    here = frame.of(ctx)
    program = browser.binary() if png else None
    with here.app() as app, here.progress() as progress:
        chosen = chosen_of(app, issue)
        lost = asyncio.run(readying.have_pictures(app, chosen, progress=progress))
        asked: list[str | None] = [*readers] if readers else [None]
        seen = [_shown(app, chosen, reader, lost) for reader in asked]
        shown = seen[0]
        files = {name: html.encode() for name, html in page.pages(seen, app.templates).items()}
        files |= {"issue.html": shown.html.encode(), "issue.txt": shown.text.encode(), "issue.eml": shown.raw}
        _write(to, files)
        drawn = []
        views = page.views(shown.html) if program else ()
        for done, view in enumerate(views, 1):
            drawn.append(to / f"{view.id}.png")
            browser.picture(program or "", view, drawn[-1])
            progress("Pictures", done, len(views))
    data = {"subject": shown.subject, "folder": str(to), "html_bytes": len(files["issue.html"])}
    data |= {"problems": list(shown.problems), "page": str(to / "index.html"), "pictures": [str(one) for one in drawn]}
    written = [f"  {to / name}  ({len(content):,} bytes)" for name, content in files.items()]
    written += [f"  {one}" for one in drawn]
    here.out(data, [f"Subject: {shown.subject}", *written, *shown.problems])


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


def _shown(app: App, issue_id: int, reader: str | None, problems: tuple[str, ...]) -> Shown:
    from html import escape

    from digest import pipeline, proofs, readying
    from digest.blanks import URLS, Blank, fill
    from digest.deliver.lint import lint
    from digest.deliver.trial import specimen
    from digest.previewing.page import Shown

    stationery, wrong, list_id = pipeline.stationery_of(app, issue_id, reader)
    address = reader or "reader@example.org"
    fields = proofs.fields_for(app, stationery, reader)
    raw = specimen(app.config, app.links, stationery, list_id=list_id, address=address, now=app.clock(), fields=fields)
    values, word = {**dict.fromkeys(URLS, app.links.subscribe()), Blank.NAME: ""}, stationery.blank_word
    html = fill(stationery.html, word, values, [*map(escape, fields)])
    subject, text = (fill(part, word, values, fields) for part in (stationery.subject, stationery.text))
    found = [*problems, *wrong, *(f"{failure.row}: {failure.what}" for failure in lint(raw, loopback=True))]
    found += [*readying.warnings(app, issue_id), *proofs.unknown_fields(app, stationery, list_id)]
    return Shown(reader or "everybody", subject, html, text, raw, tuple(found))


def _write(folder: Path, files: dict[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise DigestError(f"{folder}: can't be written: {error.strerror}") from error
