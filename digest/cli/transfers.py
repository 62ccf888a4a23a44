"""digest subscribers, the part with files: import, export."""

from __future__ import annotations

import csv
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from digest.cli import frame, people
from digest.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from subscribers.sheets import BadRow, Sheet
    from subscribers.transfer import Order, Reading

_MAP = "What a column is: email=Contact, attributes.plan=Tier, skip=Notes. Again for each."
_MEANINGS = frozenset("email first last name language status left stay confirmed tags attributes skip".split())  # noqa: SIM905


def import_(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="FILE", help="CSV, JSON lines or a ZIP of them; - for stdin.")],
    *,
    list_id: Annotated[str, typer.Option("--list", metavar="ID", help="The list.")] = "",
    confirmed: people.Confirmed = False,
    consent: people.ConsentText = "",
    mapping: Annotated[list[str] | None, typer.Option("--map", metavar="MEANING=COLUMN", help=_MAP)] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag for everybody in the file. Again for each.")] = None,
    encoding: Annotated[str, typer.Option(help="Default: found out.")] = "",
    delimiter: Annotated[str, typer.Option(help="Default: found out.")] = "",
    bad: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the rows go that can't be taken.")] = None,
    suppress: Annotated[
        bool, typer.Option("--suppress", help="Keep the addresses, @domains and hashes of the file away instead.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
) -> None:
    """Take a file of people onto a list; without --confirmed everybody is asked by mail.

    How the file is written, whose export it is and what its columns are is found out and shown. People who left,
    bounced or are suppressed, there or here, are never mailed. A second run changes nothing; one that was cut short
    is finished by running it again.

    \b
    Examples:
      digest subscribers import members.csv --list weekly --dry-run
      digest subscribers import members.csv --list weekly --confirmed --consent "our old list, exported 2 May 2026"
      digest subscribers import odd.csv --list weekly --map email=Contact --map skip=Notes --bad bad.csv
      digest subscribers import never.txt --suppress
    """
    from subscribers import attributes, transfer

    here = frame.of(ctx)
    if suppress:
        _suppress(here, path, list_id, dry_run=dry_run)
        return
    tags = attributes.tags(tag or [])
    order = transfer.Order(list_id, confirmed=confirmed, consent=consent, dry_run=dry_run, tags=tags)
    reading = transfer.Reading(encoding, _sign(delimiter), _columns(mapping or []))
    report = _taken(here, path, order, reading, bad)
    here.out(report, _told(report, dry_run=dry_run))


def _taken(here: frame.Frame, path: str, order: Order, reading: Reading, bad: Path | None) -> dict[str, Any]:
    from digest import db
    from subscribers import transfer

    # Confirm mails are written with what one thread alone may use.
    two = order.confirmed and here.config.database.url.startswith("postgresql")
    with ExitStack() as closing:
        opened = closing.enter_context(here.app())
        closing.enter_context(people.said())
        file = closing.enter_context(people.file_of(path))
        refuse = _refuser(closing.enter_context(people.owned(bad))) if bad else transfer.overlook
        _settle()
        return transfer.import_people(
            file,
            order,
            transaction=lambda: db.reading(opened.engine) if order.dry_run else db.writing(opened.engine),
            enqueue=lambda session, sends: people.enqueue(opened, session, sends),
            key=opened.instance.suppression_key,
            now=opened.clock(),
            random_bytes=os.urandom,
            reading=reading,
            name=path,
            progress=closing.enter_context(here.progress()),
            refuse=refuse,
            lanes=1 + two,
        )


def export(
    ctx: typer.Context,
    list_id: people.On = None,
    where: people.Where = "",
    path: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: stdout.")] = None,
    kind: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "csv",
    ledger: Annotated[bool, typer.Option("--ledger", help="With what was sent to each of them.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="No apostrophe before what a spreadsheet would take for a formula.")
    ] = False,
) -> None:
    """Write everybody who is or was on a list, or on any: statuses, dates, consent, choices, attributes, tags.

    An import gives the same people back. CSV is safe to open in a spreadsheet.

    \b
    Examples:
      digest subscribers export --list weekly > weekly.csv
      digest subscribers export --to everybody.csv --ledger
      digest subscribers export --where 'tag = vip and confirmed > 2026-01-01' --format jsonl
    """
    from digest import db
    from subscribers import exporting

    if kind not in ("csv", "jsonl"):
        raise UsageError(f"--format: expected csv or jsonl, got {kind!r}")
    here = frame.of(ctx)
    with here.app() as opened, people.said(), db.reading(opened.engine) as session:
        if list_id is not None:
            people.known_list(session, list_id)
        condition = people.chosen(opened, session, where, list_id)
        besides = {"deliveries": _deliveries} if ledger else {}
        wanted = exporting.Wanted(list_id, condition, kind, guarded=not raw, besides=besides)
        _settle()
        if path is None:
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # TextIO lacks the method
            exporting.export_people(session, sys.stdout, wanted)
            return
        with people.owned(path) as file:
            count = exporting.export_people(session, file, wanted)
    here.out({"list": list_id, "people": count, "file": str(path)}, f"{people.counted(count)} in {path}.")


def _settle() -> None:
    """What is loaded stays: a million rows set off hundreds of looks for garbage, each of which would go through it."""
    gc.freeze()


VERBS: Mapping[str, Callable[..., None]] = {"import": import_, "export": export}


def _suppress(here: frame.Frame, path: str, list_id: str, *, dry_run: bool) -> None:
    from digest import db
    from subscribers import suppressing
    from subscribers.audience import CONFIRM_MAILS, EVERYWHERE

    new = 0
    with here.app() as opened, people.said(), people.file_of(path) as file, db.writing(opened.engine) as session:
        lines = file.read().decode("utf-8", "replace").splitlines()
        found, bad = suppressing.subjects(lines, key=opened.instance.suppression_key)
        for said, some in found.items():
            scope = list_id or said or EVERYWHERE
            if scope not in (EVERYWHERE, CONFIRM_MAILS):
                people.known_list(session, scope)
            if not dry_run:
                means: dict[str, Any] = {"reason": "imported", "now": opened.clock(), "scope": scope}
                new += suppressing.suppress_all(session, some, **means)
    count = sum(map(len, found.values()))
    told = [{"line": line, "reason": reason} for line, reason in bad]
    human = [f"{count} to keep away, {new} of them new.", *(f"line {line}: {reason}" for line, reason in bad[:20])]
    here.out({"found": count, "new": new, "bad": told}, human)
    if not count:
        raise NothingToDo("there was nobody in it")


def _columns(mapping: Sequence[str]) -> dict[str, str]:
    """Column -> meaning, of --map MEANING=COLUMN."""
    found = {}
    for said in mapping:
        meaning, equals, column = said.partition("=")
        meaning = meaning.strip()
        if not equals or not column or not (meaning in _MEANINGS or meaning.startswith("attributes.")):
            raise UsageError(
                f"--map: expected MEANING=COLUMN with {', '.join(sorted(_MEANINGS))} or attributes.NAME, got {said!r}"
            )
        found[column] = meaning
    return found


def _sign(delimiter: str) -> str:
    sign = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(sign) > 1 or sign in ('"', "\r", "\n"):
        raise UsageError(f"--delimiter: expected one sign or tab, got {delimiter!r}")
    return sign


def _refuser(out: TextIO) -> Callable[[Sheet, BadRow], None]:
    """Writes bad rows as a file that can be mended and imported: the line, the reason, and the cells as they were."""
    from subscribers.formulas import guard

    writer = csv.writer(out)
    headed: list[bool] = []

    def refuse(sheet: Sheet, row: BadRow) -> None:
        if not headed:
            headed.append(True)
            writer.writerow(["line", "reason", *sheet.header])
        writer.writerow([row.line, row.reason, *map(guard, row.cells)])

    return refuse


def _deliveries(session: Session, ids: Sequence[int]) -> dict[int, str]:
    from digest.deliver.reporting import of_people

    return of_people(session, ids)


def _told(report: dict[str, Any], *, dry_run: bool) -> list[str]:
    mailable = report["mailable"] if isinstance(report["mailable"], int) else len(report["mailable"])
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
    delimiter = names.get(report["delimiter"], report["delimiter"])
    written = f"{report['encoding']}, {delimiter} between cells" if delimiter else f"{report['encoding']}, JSON lines"
    columns = ", ".join(f"{meaning} from {column!r}" for meaning, column in report["columns"].items())
    rows = f"{report['rows']:,} {'row' if report['rows'] == 1 else 'rows'}"
    counts = ", ".join(
        f"{report[word]:,} {word}" for word in ("new", "updated", "unchanged", "suppressed", "left", "asked")
    )
    bad = [f"line {row['line']}: {row['reason']}" for row in report["bad"][:20]]
    unsaid = report["bad_rows"] - len(bad)
    return [
        *([f"An export of {report['program'].capitalize()}."] if report["program"] else []),
        f"Read as {written}; {columns}.",
        *([f"Not taken: {', '.join(report['ignored'])}."] if report["ignored"] else []),
        f"{'Would be: ' if dry_run else ''}{rows}: {counts}, {report['bad_rows']:,} bad.",
        *([f"{report['elsewhere']} rows are of other lists."] if report["elsewhere"] else []),
        f"{mailable:,} mailable{', once they say yes to the mail' if report['asked'] else ''}.",
        *bad,
        *([f"and {unsaid} more bad rows"] if unsaid else []),
    ]
