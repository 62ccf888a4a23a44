"""digest subscribers history and erase, digest consent export: all that is kept about one person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli import frame, people

_Vacuum = Annotated[
    bool | None,
    typer.Option(
        "--vacuum/--no-vacuum", help="Rewrite the database's file, too. Default: on SQLite.", show_default=False
    ),
]
_To = Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: stdout.")]


def history(ctx: typer.Context, address: people.Who) -> None:
    """Show what happened to a person, in the order of time: consent, choices, messages, suppressions.

    \b
    Examples:
      digest subscribers history ann@example.org
      digest --json subscribers history ann@example.org
    """
    from digest.keeping import telling

    here = frame.of(ctx)
    events = telling.history(_record(here, address))
    rows = [(event["at"], event["list"], event["what"], event["how"], event["detail"]) for event in events]
    here.out({"address": address, "events": events}, frame.columns(("at", "list", "what", "how", "detail"), rows))


def erase(ctx: typer.Context, address: people.Who, *, vacuum: _Vacuum = None) -> None:
    """Erase a person, also while a send is running: nothing stays but a keyed hash that keeps the address away.

    The ledger's rows stay without them, so that the counts of issues are what they were. With --vacuum nothing is left
    in the free pages of the database's file, either: PostgreSQL locks its tables meanwhile, and keeps what its own log
    (WAL) and your backups hold.

    \b
    Examples:
      digest subscribers erase ann@example.org
      digest subscribers erase ann@example.org --vacuum
    """
    from digest.keeping import run
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    with here.app() as opened, people.said():
        engine, normalised = opened.engine, normalise(address).normalised
        rows = run.erase(engine, normalised, key=opened.instance.suppression_key, now=opened.clock())
        wanted = engine.dialect.name == "sqlite" if vacuum is None else vacuum
        done = wanted and run.rewritten(engine)
    said = f"Erased; {rows} messages stay in the ledger without them. The address is kept away by its hash."
    here.out({"erased": True, "ledger_rows": rows, "file_rewritten": done}, said)
    if not done:
        why = "somebody was in the way" if wanted else "not asked for"
        here.say(f"The database's file was not rewritten ({why}): `digest db tidy --vacuum` does it.")


def consent_export(ctx: typer.Context, address: people.Who, to: _To = None) -> None:
    """Write all that is kept about a person as JSON: every line of the record of consent, and all there is besides.

    \b
    Examples:
      digest consent export ann@example.org
      digest consent export ann@example.org --to ann.json
    """
    here = frame.of(ctx)
    whole = _record(here, address)
    if to is None:
        frame.print_json(whole)
        return
    with people.owned(to) as file:
        frame.print_json(whole, file)
    here.out({"file": str(to)}, f"Wrote {to}.")


def _record(here: frame.Frame, address: str) -> dict[str, Any]:
    from digest import db
    from digest.keeping import telling
    from subscribers.addresses import normalise

    with here.app() as opened, people.said(), db.reading(opened.engine) as session:
        return telling.record(session, normalise(address).normalised, key=opened.instance.suppression_key)


VERBS = {"history": history, "erase": erase}
