"""digest issues: compose, look at, edit and approve an edition's issues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame, looking, outgoing
from digest.errors import NeedsDecision, NothingToDo, UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from digest.compose.run import Composed
    from digest.wiring import App

app = frame.noun("Compose, preview, edit, approve, send, follow.")

_Which = Annotated[str, typer.Argument(metavar="ARTICLE", help="Its number or its URL.")]
_Issue = Annotated[int | None, typer.Option("--issue", metavar="ID", help="Default: the only open issue.")]
_IssueId = Annotated[int | None, typer.Argument(metavar="[ISSUE]", help="Its id; default: the only open issue.")]
_Undo = Annotated[bool, typer.Option("--undo", help="Leave it to the rules again.")]


@app.command("compose")
def compose(
    ctx: typer.Context,
    edition: Annotated[str, typer.Argument(metavar="EDITION")],
    now: Annotated[str | None, typer.Option(help="As if it were this instant, like 2026-11-20T07:00Z.")] = None,
) -> None:
    """Make the edition's draft, or compose its open issue anew with what came in.

    \b
    Examples:
      digest issues compose weekly
      digest --json issues compose weekly --now 2026-11-20T07:00Z
    """
    from digest import readying
    from digest.compose import run

    here = frame.of(ctx)
    with here.app(frame.clock(now)) as app, here.progress() as progress:
        composed = run.compose(app.engine, app.config, app.links, edition, app.clock())
        if composed.issue.id is not None:
            for lost in asyncio.run(readying.have_pictures(app, composed.issue.id, progress=progress)):
                here.say(lost)
    _show(here, composed)
    if composed.content is None:
        raise typer.Exit(frame.EXIT[NothingToDo])


@app.command("list")
def list_(
    ctx: typer.Context,
    edition: Annotated[str | None, typer.Option(help="Only of this edition.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 20,
) -> None:
    """Show the issues, the newest first.

    \b
    Example:
      digest issues list --edition weekly
    """
    from sqlmodel import col, select

    from digest import db
    from digest.compose.describing import listed
    from digest.models import Issue

    here = frame.of(ctx)
    wanted = select(Issue).where(Issue.edition_id == edition) if edition else select(Issue)
    with here.app() as app, db.reading(app.engine) as session:
        rows = [listed(row) for row in session.exec(wanted.order_by(col(Issue.id).desc()).limit(limit))]
    table = [[row["id"], row["edition"], row["number"], row["state"], row["due_at"], row["subject"]] for row in rows]
    lines = frame.columns(["ID", "EDITION", "NO.", "STATE", "DUE", "SUBJECT"], table)
    here.out({"issues": rows}, lines if rows else "There are none: digest issues compose EDITION makes one.")


@app.command("show")
def show(ctx: typer.Context, issue: _IssueId = None) -> None:
    """Show an issue with its articles, and why others are left out.

    \b
    Example:
      digest issues show 12
    """
    from digest.compose import run

    here = frame.of(ctx)
    with here.app() as app:
        composed = run.current(app.engine, app.config, app.links, _chosen(app, issue, closed=True))
    _show(here, composed)


@app.command("explain")
def explain(ctx: typer.Context, which: _Which, issue: _Issue = None) -> None:
    """Say why an article stands where it does, or why it is left out.

    \b
    Example:
      digest issues explain 45
    """
    from digest.compose import run
    from digest.compose.describing import explained, reckoned

    here = frame.of(ctx)
    with here.app() as app:
        article_id = _article(app, which)
        data = explained(run.explain(app.engine, _chosen(app, issue, closed=True), article_id))
    here.out(data, [frame.printable(line) for line in reckoned(data)])


@app.command("pin")
def pin(ctx: typer.Context, which: _Which, issue: _Issue = None, undo: _Undo = False) -> None:
    """Have an article in, whatever its score and the caps.

    \b
    Example:
      digest issues pin 45
    """
    from digest.compose import issues

    verb = issues.release if undo else issues.pin
    _amend(ctx, issue, which, lambda session, app, id_, article: verb(session, id_, article, app.clock()))


@app.command("drop")
def drop(ctx: typer.Context, which: _Which, issue: _Issue = None, undo: _Undo = False) -> None:
    """Keep an article, and the story it leads, out of the issue.

    \b
    Example:
      digest issues drop 45
    """
    from digest.compose import issues

    verb = issues.release if undo else issues.drop
    _amend(ctx, issue, which, lambda session, app, id_, article: verb(session, id_, article, app.clock()))


@app.command("move")
def move(
    ctx: typer.Context,
    which: _Which,
    section: Annotated[str | None, typer.Option(help="Id of a section; lead opens the issue.")] = None,
    position: Annotated[int | None, typer.Option(min=0, help="Place within its section, 0 is the first.")] = None,
    issue: _Issue = None,
) -> None:
    """Put an article into a section, or at a place of its section.

    \b
    Examples:
      digest issues move 45 --section lead
      digest issues move 45 --section europe --position 0
    """
    from digest.compose.issues import move_article

    _amend(
        ctx,
        issue,
        which,
        lambda session, app, id_, article: move_article(session, id_, article, app.clock(), section, position),
    )


@app.command("edit")
def edit(
    ctx: typer.Context,
    which: Annotated[str | None, typer.Argument(metavar="[ARTICLE]", help="For --title, --dek and --update.")] = None,
    title: Annotated[str | None, typer.Option(help="The article's headline in this issue; empty: its own.")] = None,
    dek: Annotated[str | None, typer.Option(help="The sentence under the headline in this issue.")] = None,
    subject: Annotated[str | None, typer.Option(help="The issue's subject; empty: the automatic one.")] = None,
    preheader: Annotated[str | None, typer.Option(help="What follows the subject in lists of mail.")] = None,
    intro: Annotated[str | None, typer.Option(help="Markdown before the articles.")] = None,
    outro: Annotated[str | None, typer.Option(help="Markdown after the articles.")] = None,
    section: Annotated[str | None, typer.Option(metavar="ID", help="For --note and --question.")] = None,
    note: Annotated[str | None, typer.Option(help="Markdown under a section's title; empty: none.")] = None,
    question: Annotated[str | None, typer.Option(help="What the articles of a symposium answer.")] = None,
    update: Annotated[
        bool | None, typer.Option("--update/--no-update", help="It tells what is new of a story told before.")
    ] = None,
    issue: _Issue = None,
) -> None:
    """Change the words of an article in an issue, of a section of it, or of the issue itself.

    \b
    Examples:
      digest issues edit 45 --title "A better headline"
      digest issues edit 45 --update
      digest issues edit --intro "Good morning." --subject "The week in Europe"
      digest issues edit --section symposium --question "What should the summit not decide?"
    """
    from digest.compose import issues

    about = {name: text for name, text in {"note": note, "question": question}.items() if text is not None}
    if bool(about) != (section is not None):
        raise UsageError("--note and --question go with --section ID, which names the section they stand in")

    given = {"subject": subject, "preheader": preheader, "intro": intro, "outro": outro}
    words = {name: text for name, text in given.items() if text is not None}
    ours = title is not None or dek is not None or update is not None
    if ours != (which is not None) or not (ours or words or about):
        raise UsageError(
            "give an ARTICLE with --title, --dek or --update, or words of the issue (--subject, --intro, ...)"
        )

    def change(session: Session, app: App, id_: int, article: int | None) -> None:
        if words:
            issues.edit_issue(session, id_, app.clock(), words)
        if section is not None:
            issues.edit_section(session, id_, section, app.clock(), about)
        if article is not None and (title is not None or dek is not None):
            issues.edit_article(session, id_, article, app.clock(), title, dek)
        if article is not None and update is not None:
            issues.mark_update(session, id_, article, app.clock(), update)

    _amend(ctx, issue, which, change)


@app.command("sponsor")
def sponsor(
    ctx: typer.Context,
    title: Annotated[str | None, typer.Option(help="Its headline, which leads to --url.")] = None,
    url: Annotated[str | None, typer.Option(help="Where it leads.")] = None,
    label: Annotated[str, typer.Option(help='What says that it is paid for; default: "Sponsored".')] = "",
    text: Annotated[str, typer.Option(help="Markdown under the headline.")] = "",
    image: Annotated[str | None, typer.Option(metavar="URL", help="A PNG or JPEG over https.")] = None,
    alt: Annotated[str, typer.Option(help="The image in words.")] = "",
    after: Annotated[str, typer.Option(metavar="SECTION", help="Which section it follows; default: the lead.")] = "",
    none: Annotated[bool, typer.Option("--none", help="Take it out.")] = False,
    issue: _Issue = None,
) -> None:
    """Put a sponsor's words into an issue, marked as such.

    \b
    Examples:
      digest issues sponsor --title "Maps of the north" --url https://books.example/maps
      digest issues sponsor --none
    """
    from digest.compose.content import Picture, Sponsor
    from digest.compose.issues import set_sponsor

    if none == bool(title and url):
        raise UsageError("give --title and --url, or --none to take the sponsor out")
    picture = Picture(image, alt) if image else None
    words = None if none else Sponsor(label, title or "", url or "", text, picture, after)
    _amend(ctx, issue, None, lambda session, app, id_, _: set_sponsor(session, id_, app.clock(), words))


@app.command("approve")
def approve(
    ctx: typer.Context,
    issue: _IssueId = None,
    by: Annotated[str, typer.Option(envvar="USER", help="Who approves.")] = "staff",
    seen: Annotated[str | None, typer.Option("--hash", help="content_hash of what you saw (issues show).")] = None,
    dead_links: Annotated[bool, typer.Option("--dead-links", help="Though links of it are dead.")] = False,
) -> None:
    """Approve an issue as it stands; any later change takes the approval back.

    \b
    Example:
      digest issues approve 12
    """
    from digest import readying
    from digest.compose import run
    from digest.compose.describing import listed

    here = frame.of(ctx)
    with here.app() as app, here.progress() as progress:
        id_ = _chosen(app, issue)
        if not dead_links:
            readying.refuse_dead_links(app, id_, progress=progress)
        data = listed(run.approve(app.engine, app.config, app.links, id_, by, app.clock(), seen))
        warnings = readying.warnings(app, id_)
    here.out({"issue": data, "warnings": warnings}, [f"Issue {id_} is approved.", *warnings])


@app.command("reject")
def reject(
    ctx: typer.Context,
    issue: _IssueId = None,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
) -> None:
    """Make an approved or held issue a draft again.

    \b
    Example:
      digest issues reject 12 --reason "The lead is not confirmed."
    """
    from digest.compose import issues

    _move(ctx, issue, lambda session, app, id_: issues.reject(session, id_, app.clock(), reason))


@app.command("cancel")
def cancel(
    ctx: typer.Context,
    issue: _IssueId = None,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Give an issue up for good.

    \b
    Example:
      digest issues cancel 12 --yes
    """
    from digest.compose import issues

    frame.of(ctx).decide(f"Cancel issue {issue or ''}".rstrip() + " for good?", yes)
    _move(ctx, issue, lambda session, app, id_: issues.cancel(session, id_, app.clock(), reason))


for verb in (*looking.VERBS, *outgoing.VERBS):
    app.command(verb.__name__)(verb)


def _show(here: frame.Frame, composed: Composed) -> None:
    from digest.compose.describing import described, told

    here.out(described(composed), told(composed))
    if composed.question is not None:
        raise typer.Exit(frame.EXIT[NeedsDecision])


def _amend(
    ctx: typer.Context, issue: int | None, which: str | None, change: Callable[[Session, App, int, Any], object]
) -> None:
    from digest.compose import run

    here = frame.of(ctx)
    with here.app() as app:
        id_, article = _chosen(app, issue), _article(app, which) if which else None
        composed = run.amend(
            app.engine, app.config, app.links, id_, app.clock(), lambda session: change(session, app, id_, article)
        )
    _show(here, composed)


def _move(ctx: typer.Context, issue: int | None, change: Callable[[Session, App, int], object]) -> None:
    from digest import db
    from digest.compose.describing import listed
    from digest.compose.rows import issue_of

    here = frame.of(ctx)
    with here.app() as app:
        id_ = _chosen(app, issue)
        with db.writing(app.engine) as session:
            change(session, app, id_)
            data = listed(issue_of(session, id_))
    here.out({"issue": data}, f"Issue {id_} is {'a draft again' if data['state'] == 'draft' else data['state']}.")


def _chosen(app: App, issue: int | None, *, closed: bool = False) -> int:
    from digest import db
    from digest.compose.issues import chosen

    with db.reading(app.engine) as session:
        found = chosen(session, issue, closed=closed).id
    assert found is not None
    return found


def _article(app: App, which: str) -> int:
    from digest import byhand, db

    with db.reading(app.engine) as session:
        found = byhand.article(session, which).id
    assert found is not None
    return found
