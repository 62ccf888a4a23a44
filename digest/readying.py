"""What an issue needs before it goes out: its pictures, where we serve them, and links that lead somewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from digest import db
from digest.blanks import Blank, blank, fill
from digest.compose import run as composing
from digest.compose.content import IssueContent
from digest.compose.rendering import Rendered, Rendering, render
from digest.compose.rows import edition_of, issue_of
from digest.deliver.progress import Watcher, unwatched
from digest.errors import NeedsDecision, NothingToDo
from digest.fields import defaults
from digest.wiring import App

if TYPE_CHECKING:
    from digest.linkcheck.judging import Checked


async def have_pictures(app: App, issue_id: int, *, progress: Watcher = unwatched) -> tuple[str, ...]:
    """Fetch the pictures of an open issue where we serve them ourselves; in sentences, which could not be had."""
    if app.config.mail.images == "remote":
        return ()
    from digest.pictures import run as pictures

    composed = await asyncio.to_thread(composing.current, app.engine, app.config, app.links, issue_id)
    if composed.content is None or composed.issue.inputs is not None:
        return ()
    return await pictures.fetch(app.engine, app.config, composed.content, app.clock, progress=progress)


def pictured(app: App, rendering: Rendering) -> Rendering:
    """`rendering` with the pictures where our mails show them: elsewhere, under our own addresses, or in the message.

    Those that travel in the message have our own addresses, too, and are named in `enclosed`.
    """
    if app.config.mail.images == "remote":
        return rendering
    from digest.pictures import run as pictures

    most = app.config.mail.inline_max_bytes if app.config.mail.images == "inline" else 0

    def printed(content: IssueContent) -> Rendered:
        ours = pictures.hosted(app.engine, app.links, content)
        rendered = rendering(ours)
        return replace(rendered, enclosed=pictures.enclosed(app.engine, app.links, ours, rendered.html, most))

    return printed


async def check_links(app: App, issue_id: int, *, progress: Watcher = unwatched) -> Checked:
    """Ask every link of the issue whether it leads somewhere, and keep the answer with the issue.

    NothingToDo if the issue has nothing to show.
    """
    from digest.linkcheck import run as linkcheck

    composed = await asyncio.to_thread(composing.current, app.engine, app.config, app.links, issue_id)
    if composed.content is None:
        raise NothingToDo(f"issue {issue_id} is {composed.issue.state}: it has no links")
    with db.reading(app.engine) as session:
        edition = edition_of(session, composed.issue.edition_id)
    # The personal links and those to our own pages are none of the edition's words: they are not asked. Of those that
    # hold something of a reader the one is asked that leads a stranger on.
    rendered = await asyncio.to_thread(render, composed.content, app.templates, edition.template, _WORD)
    blanks = {name: blank(_WORD, name) for name in Blank}
    html = fill(rendered.html, _WORD, blanks, [*map(escape, defaults(rendered.fields))])
    return await linkcheck.check(
        app.engine,
        app.config,
        linkcheck.Wanted(issue_id, composed.issue.content_hash, html, _WORD, app.links.base),
        app.clock,
        progress=progress,
    )


def warnings(app: App, issue_id: int) -> list[str]:
    """What the last look at the issue's links found, in sentences; none where all was well, or nobody has looked."""
    from digest.linkcheck.judging import told

    found = checked(app, issue_id)
    if found is None or not found.links:
        return []
    with db.reading(app.engine) as session:
        return told(found, issue_of(session, issue_id).content_hash)


def checked(app: App, issue_id: int) -> Checked | None:
    """What the last look at the issue's links came to; None if there was none."""
    from digest.linkcheck import judging

    with db.reading(app.engine) as session:
        kept = issue_of(session, issue_id).links_checked
    return judging.from_json(kept) if kept else None


def refuse_dead_links(app: App, issue_id: int, verb: str = "approve", *, progress: Watcher = unwatched) -> None:
    """NeedsDecision if a link of the issue is dead and the edition says `dead_links = "block"`; asks where it must.

    `verb` is the command of `digest issues` that lets it go out all the same.
    """
    with db.reading(app.engine) as session:
        issue = issue_of(session, issue_id)
        if edition_of(session, issue.edition_id).dead_links != "block":
            return
    found = checked(app, issue_id)
    if found is None or not _still_true(found, issue.content_hash, app.clock()):
        found = asyncio.run(check_links(app, issue_id, progress=progress))
    if found.dead:
        first = "; ".join(f"{one.url} ({one.why})" for one in found.dead[:3])
        raise NeedsDecision(
            f"issue {issue_id} has {_links(len(found.dead))}: {first}.",
            f"{_MEND[verb].format(issue_id)}, or let it go out all the same: "
            f"digest issues {verb} {issue_id} --dead-links",
        )


def _still_true(found: Checked, content_hash: str, now: datetime) -> bool:
    """Whether the last look still tells how it is; who waits for a dead link to be mended wants a new one."""
    young = now - datetime.fromisoformat(found.at) < _TRUE_FOR
    return young and found.content_hash == content_hash and not found.dead


def _links(count: int) -> str:
    return "a dead link" if count == 1 else f"{count} dead links"


_MEND = {
    "approve": "Mend or drop them",
    "send": "To mend or drop them, make it a draft again (digest issues reject {})",
}
_TRUE_FOR = timedelta(hours=1)
_WORD = "0linkcheck0"  # marks the blanks of what is rendered only to be looked at
