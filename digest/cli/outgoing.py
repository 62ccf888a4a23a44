"""digest issues, the second half: preview, test, send, pause, resume, status, ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli import frame
from digest.errors import DigestError, NotFound

if TYPE_CHECKING:
    from digest.deliver.reporting import Told
    from digest.pipeline import Audience, Published
    from digest.wiring import App

_PAGE = 1_000
_IssueId = Annotated[int | None, typer.Argument(metavar="[ISSUE]", help="Its id; default: the latest.")]


def preview(
    ctx: typer.Context,
    issue: _IssueId = None,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path("preview"),
) -> None:
    """Write an issue as it would be sent: issue.html, issue.txt and the raw message issue.eml.

    \b
    Example:
      digest issues preview 12 --to /tmp/preview
    """
    from digest import pipeline
    from digest.blanks import Blank, fill
    from digest.deliver.lint import lint
    from digest.deliver.trial import specimen

    here = frame.of(ctx)
    with here.app() as app:
        shown, problems, list_id = pipeline.stationery_of(app, _chosen(app, issue))
        address = "reader@example.org"
        raw = specimen(app.config, app.links, shown, list_id=list_id, address=address, now=app.clock())
        values = {**dict.fromkeys(Blank, ""), Blank.UNSUBSCRIBE: app.links.subscribe()}
        html, text = (fill(part, shown.blank_word, values) for part in (shown.html, shown.text))
    files = {"issue.html": html.encode(), "issue.txt": text.encode(), "issue.eml": raw}
    _write(to, files)
    found = [*problems, *(f"{failure.row}: {failure.what}" for failure in lint(raw, loopback=True))]
    data = {"subject": shown.subject, "folder": str(to), "html_bytes": len(files["issue.html"]), "problems": found}
    written = [f"  {to / name}  ({len(content):,} bytes)" for name, content in files.items()]
    here.out(data, [f"Subject: {shown.subject}", *written, *found])


def test(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Any address.")],
    issue: Annotated[int | None, typer.Option("--issue", metavar="ID", help="Default: the latest.")] = None,
) -> None:
    """Send one copy to any address: marked "[Test]", outside the ledger, its links change nothing.

    \b
    Example:
      digest issues test you@example.org --issue 12
    """
    from digest import pipeline
    from digest.deliver.replies import Accepted, Deferred, Refused
    from digest.deliver.trial import send_test
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    to = normalise(address).normalised
    with here.app() as app:
        pipeline.check_ready(app)
        shown, problems, list_id = pipeline.stationery_of(app, _chosen(app, issue))
        sending = send_test(app.config, app.links, shown, list_id=list_id, address=to, now=app.clock())
        outcome = asyncio.run(sending)
    if not isinstance(outcome, Accepted):
        reply = outcome.reply if isinstance(outcome, Deferred | Refused) else None
        said = f"{reply.code} {reply.text}" if reply else "no answer"
        raise DigestError(f"the relay did not take the test copy: {said}")
    here.out({"sent": to, "problems": list(problems)}, ["Sent a test copy.", *problems])


def send(
    ctx: typer.Context,
    issue: _IssueId = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before mailing.")] = False,
) -> None:
    """Freeze and send an approved issue, or one that was held or cut off.

    \b
    Example:
      digest issues send 12 --yes
    """
    from digest import pipeline
    from digest.cli import publish
    from digest.cli.running import until_signalled

    here = frame.of(ctx)
    with here.app() as app, here.progress() as progress:
        chosen = _chosen(app, issue)

        def agree(audience: Audience) -> None:
            publish.agree(here, audience, yes)

        async def sending(stop: asyncio.Event) -> Published:
            return await pipeline.send(app, chosen, agree=agree, stop=stop, progress=progress)

        published = until_signalled(sending)
    here.out(publish.plain(published), publish.human(published))


def pause(ctx: typer.Context, issue: _IssueId = None) -> None:
    """Stop sending an issue within two seconds; nothing is lost.

    \b
    Example:
      digest issues pause 12
    """
    _set_paused(ctx, issue, True)


def resume(ctx: typer.Context, issue: _IssueId = None) -> None:
    """Go on sending a paused issue: exactly the rest of it.

    \b
    Example:
      digest issues resume 12
    """
    _set_paused(ctx, issue, False)


def status(ctx: typer.Context, issue: _IssueId = None) -> None:
    """Show how far an issue is: its state and its deliveries by state.

    \b
    Example:
      digest issues status 12
    """
    from digest import db
    from digest.cli.publish import counts
    from digest.compose.describing import listed
    from digest.compose.rows import issue_of
    from digest.deliver import reporting

    here = frame.of(ctx)
    with here.app() as app:
        chosen = _chosen(app, issue)
        with db.reading(app.engine) as session:
            row, by_state = issue_of(session, chosen), dict(reporting.status(session, chosen))
    data = listed(row) | {"paused": row.paused}
    paused = ", paused" if row.paused else ""
    lines = [f'Issue {row.id} "{data["subject"]}" is {row.state}{paused}. {row.reason}'.rstrip(), counts(by_state)]
    here.out({"issue": data, "deliveries": by_state}, lines)


def ledger(
    ctx: typer.Context,
    issue: _IssueId = None,
    address: Annotated[str | None, typer.Option(help="Who got it? Only this address.")] = None,
    state: Annotated[str | None, typer.Option(help="Only rows in this state: failed, held, skipped, ...")] = None,
    resend: Annotated[bool, typer.Option("--resend", help="Send held rows again: some may get a second copy.")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="Give held rows up as failed.")] = False,
) -> None:
    """Show the ledger of an issue, a line a reader; decide about rows that are held.

    \b
    Examples:
      digest issues ledger 12 --address someone@example.org
      digest issues ledger 12 --state failed
      digest issues ledger 12 --resend
    """
    here = frame.of(ctx)
    with here.app() as app:
        chosen = _chosen(app, issue)
        if resend or give_up:
            decided = _decide_held(app, chosen, resend)
            here.out({"decided": decided}, f"{decided:,} held deliveries {'go out again' if resend else 'given up'}.")
            return
        found = [_told(app, chosen, address)] if address else list(_rows(app, chosen, state))
    data = [{"address": to, **asdict(told)} for _, to, told in found]
    table = [[to, told.state, told.attempts, told.settled_at, told.code, told.reason] for _, to, told in found]
    here.out(
        {"deliveries": data},
        frame.columns(["ADDRESS", "STATE", "TRIES", "SETTLED", "CODE", "REASON"], table, widest=80),
    )


VERBS = (preview, test, send, pause, resume, status, ledger)


def _told(app: App, issue_id: int, address: str) -> tuple[int, str, Told]:
    from digest import db
    from digest.deliver import reporting
    from subscribers.addresses import normalise

    to = normalise(address).normalised
    with db.reading(app.engine) as session:
        told = reporting.who(session, issue_id, to)
    if told is None:
        raise NotFound(f"issue {issue_id} has no delivery for this address: it was not on the list when it was frozen")
    return 0, to, told


def _rows(app: App, issue_id: int, state: str | None) -> Iterator[tuple[int, str, Told]]:
    from digest import db
    from digest.deliver import reporting

    after = 0
    while True:
        with db.reading(app.engine) as session:
            page = reporting.ledger(session, issue_id, state, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _decide_held(app: App, issue_id: int, resend: bool) -> int:
    from digest import db
    from digest.deliver.ledger import decide_held
    from digest.models import DeliveryState

    to = DeliveryState.PENDING if resend else DeliveryState.FAILED
    held = [number for number, _, _ in _rows(app, issue_id, DeliveryState.HELD)]
    with db.writing(app.engine) as session:
        return sum(decide_held(session, number, to, app.clock()) for number in held)


def _set_paused(ctx: typer.Context, issue: int | None, paused: bool) -> None:
    from digest import db
    from digest.compose import issues
    from digest.compose.describing import listed

    here = frame.of(ctx)
    with here.app() as app:
        chosen = _chosen(app, issue)
        with db.writing(app.engine) as session:
            row = issues.pause(session, chosen, paused)
    here.out({"issue": listed(row) | {"paused": paused}}, f"Issue {chosen} is {'paused' if paused else 'going on'}.")


def _chosen(app: App, issue: int | None) -> int:
    from digest import db
    from digest.compose.issues import chosen

    with db.reading(app.engine) as session:
        found = chosen(session, issue, closed=True).id
    assert found is not None
    return found


def _write(folder: Path, files: dict[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise DigestError(f"{folder}: can't be written: {error.strerror}") from error
