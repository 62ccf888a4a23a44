"""digest demo: the whole path on a sample magazine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame

_READER = "amara@readers.example.org"

if TYPE_CHECKING:
    from digest.demo.run import Shown


def command(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where its files go.")] = Path("demo"),
) -> None:
    """Show the whole path on a sample magazine, into a mailbox on this machine.

    \b
    Examples:
      digest demo
      digest demo /tmp/demo
    """
    from digest.demo.run import show
    from digest.wiring import utcnow

    here = frame.of(ctx)
    shown = show(folder, utcnow(), here.say)
    here.out(plain(shown), human(shown))


def plain(shown: Shown) -> dict[str, Any]:
    """The demo's result as --json shows it."""
    from digest.cli import publish

    where = {"folder": str(shown.folder), "html": str(shown.html), "text": str(shown.text)}
    return {**where, "messages": [str(path) for path in shown.messages], **publish.plain(shown.published)}


def human(shown: Shown) -> list[str]:
    """The same for a person: what came, and how to look at it."""
    from digest.cli import publish

    delivered = shown.published.delivered
    issue = shown.published.composed.issue
    digest = f"{_called()} --config {shown.folder / 'config.toml'}"
    return [
        "",
        f'Issue {issue.number} "{issue.subject}": {publish.counts(delivered.counts if delivered else {})}.',
        "",
        "Look at it:",
        *_columns(
            (str(shown.html), "as it is read; open it in a browser"),
            (str(shown.text), "its text part"),
            (str(shown.messages[0]), f"a raw message; there are {len(shown.messages)}, one a reader"),
        ),
        "  (The sample magazine has stopped: its pictures are in the mail, its articles are gone.)",
        "",
        "Go on from there:",
        f"  {digest} issues show --json",
        f"  {digest} issues ledger --address {_READER}",
        f"  {digest} web    then http://127.0.0.1:8080/archive",
    ]


def _columns(*lines: tuple[str, str]) -> list[str]:
    width = max(len(path) for path, _ in lines)
    return [f"  {path:{width}}  {what}" for path, what in lines]


def _called() -> str:
    """The command as it was typed: after `make demo` it is not on the PATH."""
    path = Path(sys.argv[0])
    if path.name != "digest":
        return "digest"
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else "digest"
