"""What the verbs of `digest subscribers` share: options, errors, files of people."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TextIO

import typer

from digest.errors import NotFound, UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlmodel import Session

    from digest.wiring import App
    from subscribers.joining import Send

In = Annotated[str, typer.Option("--list", metavar="ID", help="The list.")]
On = Annotated[str | None, typer.Option("--list", metavar="ID", help="This list only.")]
Who = Annotated[str, typer.Argument(metavar="ADDRESS")]
Confirmed = Annotated[bool, typer.Option("--confirmed", help="They agreed already: no confirm mail.")]
ConsentText = Annotated[str, typer.Option(metavar="TEXT", help="Where their consent came from; kept as proof.")]
Where = Annotated[str, typer.Option(metavar="FILTER", help='Only these, as in: tag = vip and language = "de".')]


def enqueue(opened: App, session: Session, sends: Sequence[Send]) -> None:
    """Put confirm mails on their way, in the transaction that asked for them."""
    from digest.deliver.letters import Office, enqueue_confirm

    office = Office(opened.config, opened.templates, opened.instance.message_key)
    for send in sends:
        enqueue_confirm(session, office, send, opened.clock())


def known_list(session: Session, list_id: str) -> None:
    """NotFound unless there is such a list, and it is on."""
    from subscribers.joining import open_lists

    if not open_lists(session, [list_id], private=True):
        raise NotFound(f"there is no list {list_id!r}; digest lists list shows them")


def chosen(opened: App, session: Session, where: str, list_id: str | None = None) -> ColumnElement[bool] | None:
    """The condition of --where, None without one."""
    from digest import segments

    return segments.where(session, where, now=opened.clock(), list_id=list_id) if where else None


def counted(count: int) -> str:
    """So many people, in words."""
    return f"{count:,} {'person' if count == 1 else 'people'}"


@contextmanager
def said() -> Iterator[None]:
    """The errors of people as those of the command line."""
    from subscribers.errors import SubscriberError, UnknownList, UnknownPerson

    try:
        yield
    except (UnknownList, UnknownPerson) as error:
        raise NotFound(str(error)) from error
    except SubscriberError as error:
        raise UsageError(str(error)) from error


@contextmanager
def file_of(path: str) -> Iterator[BinaryIO]:
    """The file, seekable, as it is read more than once: stdin and pipes are spooled."""
    with ExitStack() as closing:
        try:
            file = sys.stdin.buffer if path == "-" else closing.enter_context(Path(path).open("rb"))
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror}") from error
        if path != "-" and file.seekable():
            yield file
            return
        spool = closing.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(file, spool)
        spool.seek(0)
        yield spool


@contextmanager
def owned(path: Path) -> Iterator[TextIO]:
    """A new file for addresses, which are for its owner's eyes; half a letter (of a bad row) is written as \\udXXX."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        yield file
