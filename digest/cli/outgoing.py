"""digest issues, the second half: test, send, pause, resume, status, ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli import frame
from digest.errors import DigestError, NotFound, UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from digest.deliver.following import Following
    from digest.deliver.reporting import Told
    from digest.models import Issue
    from digest.pipeline import Audience, Published
    from digest.wiring import App

_PAGE = 1_000
_IssueId = Annotated[int | None, typer.Argument(metavar="[ISSUE]", help="Its id; default: the latest.")]


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
    from digest import pipeline, readying
    from digest.deliver.replies import Accepted, Deferred, Refused
    from digest.deliver.trial import send_test
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    to = normalise(address).normalised
    only = here.config.mail.only_to
    if only and to.rpartition("@")[2] not in only:
        raise UsageError(f"[mail] only_to lets mail go to {', '.join(only)} alone: this address is of another domain")
    with here.app() as app:
        pipeline.check_ready(app)
        chosen = chosen_of(app, issue)
        asyncio.run(readying.have_pictures(app, chosen))
        shown, problems, list_id = pipeline.stationery_of(app, chosen)
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
    segment: Annotated[
        str, typer.Option(metavar="FILTER", help="Only to these of its readers, as in: missed weekly 11.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before mailing.")] = False,
    dead_links: Annotated[bool, typer.Option("--dead-links", help="Though links of a held one are dead.")] = False,
) -> None:
    """Freeze and send an approved issue, or one that was held or cut off.

    With --segment it goes to those alone whom the filter means; nobody else gets it later.

    \b
    Examples:
      digest issues send 12 --yes
      digest issues send 12 --segment 'missed weekly 11'
    """
    from digest import pipeline
    from digest.cli import publish
    from digest.cli.running import say_what_is_left, until_signalled

    here = frame.of(ctx)
    with here.app() as app, here.progress() as progress:
        chosen = chosen_of(app, issue)

        def agree(audience: Audience) -> None:
            publish.agree(here, audience, yes)

        async def sending(stop: asyncio.Event) -> Published:
            done = await pipeline.send(
                app, chosen, only=segment, agree=agree, dead_links=dead_links, stop=stop, progress=progress
            )
            say_what_is_left(here, app, chosen, stop)
            return done

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
    """Show how far an issue is: its deliveries by state and reason, its rate, when the next retry is due.

    \b
    Example:
      digest issues status 12
    """
    from digest import db
    from digest.compose.describing import listed
    from digest.compose.rows import issue_of
    from digest.deliver import reporting
    from digest.deliver.following import follow
    from digest.deliver.seats import run as seats

    here = frame.of(ctx)
    with here.app() as app:
        chosen = chosen_of(app, issue)
        with db.reading(app.engine) as session:
            row, by_state = issue_of(session, chosen), dict(reporting.status(session, chosen))
            following = follow(session, chosen, app.clock())
        refusal = seats.look(app.engine, app.config).refusal
    data = listed(row) | {"paused": row.paused}
    more = asdict(following) | {"remaining_s": following.remaining_s, "adopted": not refusal, "why_not": refusal}
    paused = ", paused" if row.paused else ""
    lines = [f'Issue {row.id} "{data["subject"]}" is {row.state}{paused}. {row.reason}'.rstrip()]
    lines += [f"It is for those of its list who match: {text}" for text in row.segments]
    lines += _followed(row, by_state, following)
    if refusal:
        lines.append(f"This database is not adopted: {seats.refusal_of(refusal)}.")
    here.out({"issue": data, "deliveries": by_state, "following": more}, lines)


def _followed(row: Issue, by_state: dict[str, int], following: Following) -> list[str]:
    from digest.cli.publish import counts
    from digest.deliver.progress import clocked

    if row.state == "frozen":
        done = sum(by_state.values())
        return [
            f"Its deliveries are being written, {done:,} so far; `digest deliver --issue {row.id}` goes on with it."
        ]
    lines = [counts(by_state)] if any(by_state.values()) else []
    if row.state == "sending" and row.paused:
        lines.append(f"{following.left:,} are left; `digest issues resume {row.id}` goes on.")
    elif following.last_minute and following.left:
        took = f"{following.last_minute:,} in the last minute"
        lines.append(f"{took}; at this rate the rest takes {clocked(following.remaining_s or 0)}.")
    elif row.state == "sending" and following.begins_at:
        begins = f"{following.begins_at:%Y-%m-%d %H:%M:%S} UTC"
        lines.append(f"It begins at {begins}; until then `digest issues cancel {row.id}` calls all of it back.")
        lines.append("`digest serve`, `digest worker` or `digest deliver` sends it then.")
    elif row.state == "sending":
        lines.append("None in the last minute; `digest serve`, `digest worker` or `digest deliver` sends.")
    if following.next_retry_at:
        lines.append(f"The next retry is due at {following.next_retry_at:%Y-%m-%d %H:%M:%S} UTC.")
    lines += [f"  {one.count:,} {one.state}: {one.why}" for one in following.reasons]
    if by_state["held"]:
        lines.append(f"Decide about what is held: digest issues ledger {row.id} --resend (or --give-up).")
    return lines


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
        chosen = chosen_of(app, issue)
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


def variants(ctx: typer.Context, issue: _IssueId = None) -> None:
    """List what different readers get of an issue by their choices, and how many get it; a draft's as it would be now.

    \b
    Examples:
      digest issues variants 12
      digest --json issues variants
    """
    from digest import db, proofs

    here = frame.of(ctx)
    with here.app() as app:
        chosen = chosen_of(app, issue)
        with db.reading(app.engine) as session:
            found = proofs.shares_of(app, session, chosen)
    rows = [
        [share.key[:8] or "everybody", share.readers, len(share.articles), share.language, share.subject]
        for share in found.variants
    ]
    table = frame.columns(["VARIANT", "READERS", "ARTICLES", "LANGUAGE", "SUBJECT"], rows, widest=80)
    without = [f"Skipped, as they follow nothing that is in it: {found.nothing:,}."] if found.nothing else []
    without += [f"Not its readers, as they chose other editions: {found.elsewhere:,}."] if found.elsewhere else []
    without += [f"Not its readers, as they are outside its segment: {found.outside:,}."] if found.outside else []
    here.out({"issue": chosen, **asdict(found)}, [*table, *without])


VERBS = (variants, test, send, pause, resume, status, ledger)


def _told(app: App, issue_id: int, address: str) -> tuple[int, str, Told]:
    from digest import db
    from digest.compose.rows import issue_of
    from digest.deliver import reporting
    from subscribers.addresses import normalise

    to = normalise(address).normalised
    with db.reading(app.engine) as session:
        told = reporting.who(session, issue_id, to)
        if told is None:
            raise NotFound(_why_none(session, issue_of(session, issue_id), to))
    return 0, to, told


def _why_none(session: Session, issue: Issue, address: str) -> str:
    from sqlmodel import col, select

    from digest.deliver import reporting
    from subscribers.models import Subscriber

    if issue.frozen_at is None:
        return f"issue {issue.id} is {issue.state}: it has no deliveries yet"
    if not issue.audience_complete and issue.state == "frozen":
        return f"the deliveries of issue {issue.id} are still being written: ask again when it is sending"
    if session.exec(select(Subscriber.id).where(col(Subscriber.email) == address)).first() is None:
        return f"issue {issue.id} did not go to this address: nobody with it is known here"
    if reporting.chose_others(session, issue, address):
        return f"issue {issue.id} did not go to this address: the person chose other editions of the list"
    if issue.segments:
        return f"issue {issue.id} did not go to this address: {reporting.outside(issue)}"
    at = f"{issue.frozen_at:%Y-%m-%d %H:%M} UTC"
    return f"issue {issue.id} did not go to this address: it was not a confirmed one of the list at {at}"


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
    from digest.deliver.following import follow

    here = frame.of(ctx)
    with here.app() as app:
        chosen = chosen_of(app, issue)
        with db.writing(app.engine) as session:
            row = issues.pause(session, chosen, paused)
        with db.reading(app.engine) as session:
            left = follow(session, chosen, app.clock()).left
    then = (
        f"Issue {chosen} is paused: what is under way ends within seconds, {left:,} are left. "
        f"`digest issues resume {chosen}` goes on with them, `digest issues cancel {chosen}` drops them."
        if paused
        else f"Issue {chosen} goes on, {left:,} are left: `digest serve`, `digest worker` or `digest deliver` sends."
    )
    here.out({"issue": listed(row) | {"paused": paused}, "left": left}, then)


def chosen_of(app: App, issue: int | None) -> int:
    """The id of the issue that a command names, or of the latest."""
    from digest import db
    from digest.compose.issues import chosen

    with db.reading(app.engine) as session:
        found = chosen(session, issue, closed=True).id
    assert found is not None
    return found
