"""digest subscribers, the part that keeps away: suppress, unsuppress, suppressions."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli import frame, people
from digest.errors import NothingToDo

_Subject = Annotated[str, typer.Argument(metavar="ADDRESS|@DOMAIN|HASH")]


def suppress(
    ctx: typer.Context,
    subject: _Subject,
    list_id: people.On = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Keep an address or a whole domain away for ever, known or not: from imports, sign-ups and every mail.

    \b
    Examples:
      digest subscribers suppress ann@example.org --reason "asked by telephone"
      digest subscribers suppress @example.org --list weekly
    """
    from subscribers import suppressing

    with people.said():
        new = _with(
            ctx,
            subject,
            list_id,
            lambda session, key, scope, now: suppressing.suppress_all(
                session, [suppressing.subject(subject, key=key)], reason=reason, now=now, scope=scope
            ),
        )
    if not new:
        raise NothingToDo(f"{subject} was suppressed before.")
    frame.of(ctx).out({"subject": subject, "suppressed": True}, f"{subject} is suppressed now.")


def unsuppress(ctx: typer.Context, subject: _Subject, list_id: people.On = None) -> None:
    """Take a suppression back; it subscribes nobody.

    \b
    Example:
      digest subscribers unsuppress ann@example.org
    """
    from subscribers import suppressing

    with people.said():
        lifted = _with(
            ctx,
            subject,
            list_id,
            lambda session, key, scope, now: suppressing.lift_all(
                session, [suppressing.subject(subject, key=key)], now=now, scope=scope
            ),
        )
    if not lifted:
        raise NothingToDo(f"{subject} was not suppressed before.")
    frame.of(ctx).out({"subject": subject, "suppressed": False}, f"{subject} is not suppressed now.")


def suppressions(
    ctx: typer.Context,
    list_id: people.On = None,
    path: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="CSV; default: a table.")] = None,
) -> None:
    """Show who is kept away: the address where we know it, else the domain or the hash.

    \b
    Examples:
      digest subscribers suppressions
      digest subscribers suppressions --to never.csv
    """
    from digest import db
    from subscribers import suppressing

    here = frame.of(ctx)
    with here.app() as opened, db.reading(opened.engine) as session:
        found = suppressing.suppressions(session, scope=list_id)
        if path is not None:
            count = _write(path, found)
            here.out({"suppressions": count, "file": str(path)}, f"{count} suppressions in {path}.")
            return
        rows = list(found)
    table = [(row["address"] or row["subject"], row["scope"] or "everywhere", row["at"], row["reason"]) for row in rows]
    here.out({"suppressions": rows}, frame.columns(("who", "where", "since", "why"), table, widest=64))


VERBS: Mapping[str, Callable[..., None]] = {
    "suppress": suppress,
    "unsuppress": unsuppress,
    "suppressions": suppressions,
}


def _with(ctx: typer.Context, subject: str, list_id: str | None, do: Callable[..., int]) -> int:
    from digest import db
    from subscribers.audience import EVERYWHERE

    with frame.of(ctx).app() as opened, db.writing(opened.engine) as session:
        if list_id is not None:
            people.known_list(session, list_id)
        return do(session, opened.instance.suppression_key, list_id or EVERYWHERE, opened.clock())


def _write(path: Path, found: Any) -> int:
    from subscribers.formulas import guard

    count = 0
    with people.owned(path) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(["subject", "address", "scope", "reason", "at"])
        for count, row in enumerate(found, 1):  # noqa: B007 - how many there were
            cells = row["subject"], row["address"] or "", row["scope"], row["reason"], row["at"].isoformat()
            writer.writerow([guard(cell) for cell in cells])
    return count
