"""digest adopt: let a restored or cloned database send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame
from digest.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from digest.adoption import Found, Waiting


def command(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Send on at once where the copy stood; some may get a second copy.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the issues that were on their way.")] = False,
) -> None:
    """Let this database send from this machine and place: a restored or cloned one sends nothing before.

    Issues that were on their way are paused and issues that are due are held, as the original may have sent them
    since the copy was made; `digest issues resume ID` lets one go on, `digest issues cancel ID` drops it. Make sure
    first that the original sends no more: both would mail everybody.

    \b
    Examples:
      digest adopt
      digest adopt --yes --go-on
    """
    from digest import adoption
    from digest.adoption import Choice

    here = frame.of(ctx)
    if go_on and cancel:
        raise UsageError("expected --go-on or --cancel, got both")
    choice = Choice.GO_ON if go_on else Choice.CANCEL if cancel else Choice.PAUSE
    with here.app() as app:
        found = adoption.found(app)
        if not found.standing.refusal:
            raise NothingToDo("this database sends from here already: there is nothing to adopt")
        if not here.as_json:
            for line in _shown(found, choice):
                here.say(line)
        here.decide("Let it send from here?", yes)
        stopped = adoption.adopt(app, choice)
    done = {Choice.PAUSE: "paused or held", Choice.CANCEL: "cancelled", Choice.GO_ON: ""}[choice]
    names = ", ".join(map(str, stopped))
    here.out(
        {"adopted": True, "choice": choice.value, "issues": stopped, **_plain(found)},
        ["This database sends from here now.", *([f"Issues {done}: {names}."] if stopped else [])],
    )


def _plain(found: Found) -> dict[str, Any]:
    waiting = [one.__dict__ for one in found.issues]
    return {"why": found.standing.refusal, "waiting": waiting, "letters": found.letters, "oldest_due": found.oldest}


def _shown(found: Found, choice: str) -> list[str]:
    lines = [f"Nothing was sent from here so far: {found.standing.refusal}."]
    lines += [_line(one) for one in found.issues]
    stops = choice != "go on" and not found.standing.joins
    then = {"pause": "They will be paused", "cancel": "They will be cancelled"}
    if found.issues:
        lines.append(f"{then[choice]}, and nothing of them goes out." if stops else "They will go on at once.")
    if found.letters:
        lines.append(f"{found.letters:,} letters (confirm mails, notices) will go out at once.")
    if found.oldest:
        lines.append(f"The oldest of all this was due at {found.oldest:%Y-%m-%d %H:%M} UTC.")
    if not found.standing.joins:
        lines.append("Make sure that the original of this database sends no more.")
    return lines


def _line(one: Waiting) -> str:
    number = f"no. {one.number}" if one.number else "without a number"
    state = f"{one.state}{', paused' if one.paused else ''}"
    unsure = f", {one.handed:,} of them handed over without an answer" if one.handed else ""
    counts = f"{one.sent:,} sent, {one.left:,} left{unsure}"
    return f'  Issue {one.issue_id}, {one.edition_id} {number} "{one.subject}": {state}, {counts}.'
