"""What every command stands in: settings, app, output, progress, and the table from errors to exit codes."""

from __future__ import annotations

import json
import os
import select
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import typer

from digest.errors import ConfigError, DigestError, NeedsDecision, NothingToDo, UsageError
from subscribers.errors import SubscriberError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from digest.config import Config
    from digest.deliver.progress import Watcher
    from digest.wiring import App

# The nearest class of an error's ancestors counts.
EXIT: Mapping[type[Exception], int] = {
    DigestError: 1,
    UsageError: 2,
    ConfigError: 2,
    NothingToDo: 3,
    NeedsDecision: 4,
    SubscriberError: 2,  # what was asked for does not fit the people and lists that there are
}
_INTERRUPTED = 130
_PIPE_CLOSED = 141  # as a shell says of a process that SIGPIPE ended


def noun(about: str) -> typer.Typer:
    """A noun with verbs; plain help, as drawing boxes costs a fifth of a second."""
    app = typer.Typer(help=about, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
    # A callback keeps a noun with one verb a noun.
    app.callback()(lambda: None)
    return app


def of(ctx: typer.Context) -> Frame:
    """The frame of a running command."""
    frame: Frame = ctx.find_root().obj
    return frame


class Frame:
    """Settings, app and output of one command."""

    def __init__(self, path: Path, environ: Mapping[str, str], *, as_json: bool, verbose: int) -> None:
        from digest.cli import logs

        self.path = path
        self.environ = environ
        self.as_json = as_json
        self.verbose = verbose
        logs.start(verbose)

    @cached_property
    def config(self) -> Config:
        """The settings, read at the first use; ConfigError with all that is wrong."""
        from digest.config.reading import read

        return read(self.path, self.environ)

    @contextmanager
    def app(self, clock: Callable[[], datetime] | None = None) -> Iterator[App]:
        """The app on these settings, closed at the end; tells on stderr what the file changed in the database."""
        from digest import wiring

        with wiring.opened(self.config, clock=clock or wiring.utcnow) as app:
            for sentence in app.said:
                self.say(sentence)
            yield app

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """The database as it is, without bringing it up to date."""
        from digest import wiring

        engine = wiring.opened_engine(self.config)
        try:
            yield engine
        finally:
            engine.dispose()

    def out(self, data: Any, human: str | Sequence[str] = "") -> None:
        """The command's answer on stdout: `data` as one JSON document with --json, else `human`."""
        if self.as_json:
            print_json(data)
            return
        text = human if isinstance(human, str) else "\n".join(human)
        if text:
            print(printable(text))

    def say(self, sentence: str) -> None:
        """A remark beside the answer, on stderr."""
        print(printable(sentence), file=sys.stderr)

    def nothing(self, sentence: str) -> NoReturn:
        """End with the exit code of NothingToDo after the answer was given: --json stays one document."""
        self.say(sentence)
        raise typer.Exit(EXIT[NothingToDo])

    def decide(self, question: str, yes: bool) -> None:
        """Go on if `yes` (the option --yes) or if the person at the terminal agrees; NeedsDecision otherwise."""
        if yes:
            return
        if self.as_json or not sys.stdin.isatty():
            raise NeedsDecision(f"{question} Say --yes to go on.")
        if not typer.confirm(question, err=True):
            raise NeedsDecision("Nothing was done.")

    @contextmanager
    def progress(self) -> Iterator[Watcher]:
        """What shows on stderr how far the work is, once it has taken a second; a line now and then without a terminal.

        With --json as well: stdout is the one document, stderr is for people.
        """
        from digest.cli.bars import Bars, Lines

        with Bars() if sys.stderr.isatty() and not self.as_json else Lines(self.say) as shown:
            yield shown


def clock(now: str | None) -> Callable[[], datetime] | None:
    """The clock of an option --now: begins at that instant and goes on from there; None without one."""
    if now is None:
        return None
    start, began = instant("--now", now), monotonic()
    return lambda: start + timedelta(seconds=monotonic() - began)


def instant(option: str, text: str) -> datetime:
    """The instant that an option gives in ISO 8601 (UTC where it has no offset)."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f'{option}: expected an instant like 2026-11-20T07:00Z, got "{text}"') from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def columns(headings: Sequence[str], rows: Sequence[Sequence[object]], widest: int = 60) -> list[str]:
    """Lines of a table with aligned columns; long cells are cut."""
    table = [list(headings)] + [["" if cell is None else _cell(cell, widest) for cell in row] for row in rows]
    widths = [max(_width(row[place]) for row in table) for place in range(len(headings))]
    lines = (
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)) for row in table
    )
    return [line.rstrip() for line in lines]


def _cell(cell: object, widest: int) -> str:
    text = cell.strftime("%Y-%m-%d %H:%M") if isinstance(cell, datetime) else " ".join(str(cell).split())
    return text if len(text) <= widest else text[: widest - 1] + "…"


def _width(text: str) -> int:
    """How many columns of a terminal `text` takes: Chinese and Japanese letters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def printable(text: str) -> str:
    """`text` without anything that a terminal obeys: titles come from strangers."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def print_json(data: Any, file: TextIO | None = None) -> None:
    """One JSON document on stdout, or into `file`; instants as ISO 8601."""
    text = json.dumps(data, ensure_ascii=False, default=_plain)
    print(text.encode(errors="backslashreplace").decode(), file=file)  # half of a surrogate pair is no UTF-8


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@dataclass
class Ended:
    """How a command ended."""

    code: int = 0


@contextmanager
def translated(*, as_json: bool, verbose: int) -> Iterator[Ended]:
    """Turn whatever a command raises into one sentence and an exit code; tracebacks only with -v, masked."""
    ended = Ended()
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # TextIO lacks the method
        yield ended
        sys.stdout.flush()
    except typer.Exit as error:
        ended.code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        ended.code = _INTERRUPTED
    except typer.TyperException as error:
        ended.code = error.exit_code
        _tell([_usage(error)], ended.code, as_json)
    except (DigestError, SubscriberError) as error:
        ended.code = next(EXIT[one] for one in type(error).__mro__ if one in EXIT)
        _tell(error.problems if isinstance(error, ConfigError) else [str(error)], ended.code, as_json)
    except Exception as error:  # the last door: no traceback reaches a user
        if isinstance(error, BrokenPipeError) and _reader_left():
            # The interpreter must not try to flush at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ended.code = _PIPE_CLOSED
            return
        ended.code = 1
        _tell([_unexpected(error, verbose)], ended.code, as_json)


def _reader_left() -> bool:
    """Whether whoever read our output is gone (`| head`), as opposed to a peer of some socket."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    said = error.format_message().rstrip()
    # A noun without a verb is answered by its help.
    hint = f" (see {context.command_path} --help)" if context and not said.startswith("Usage:") else ""
    return said.removesuffix(".") + hint if hint else said


def _unexpected(error: Exception, verbose: int) -> str:
    from digest.cli import logs

    if verbose:
        logs.traceback(error)
    first = (str(error).splitlines() or [""])[0]
    hint = "" if verbose else " (-v shows where)"
    return logs.masked(f"something unexpected went wrong: {type(error).__name__}: {first}{hint}")


def _tell(sentences: Sequence[str], code: int, as_json: bool) -> None:
    if as_json:
        more = {"problems": list(sentences)} if len(sentences) > 1 else {}
        print_json({"error": "\n".join(sentences), "exit": code, **more})
    for sentence in sentences:
        print(printable(sentence), file=sys.stderr)
