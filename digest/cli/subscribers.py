"""digest subscribers: people, what they agreed to, and who stays away."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from digest.cli import frame, persons
from digest.errors import NeedsDecision, NotFound, NothingToDo, UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from digest.wiring import App
    from subscribers.joining import Send

app = frame.noun("People: add, import, show, unsubscribe, suppress, erase.")

_In = Annotated[str, typer.Option("--list", metavar="ID", help="The list.")]
_On = Annotated[str | None, typer.Option("--list", metavar="ID", help="This list only.")]
_Who = Annotated[str, typer.Argument(metavar="ADDRESS")]
_Confirmed = Annotated[bool, typer.Option("--confirmed", help="They agreed already: no confirm mail.")]
_Consent = Annotated[str, typer.Option(metavar="TEXT", help="Where their consent came from; kept as proof.")]


@app.command("add")
def add(
    ctx: typer.Context,
    address: _Who,
    *,
    list_id: _In,
    confirmed: _Confirmed = False,
    consent: _Consent = "",
    name: Annotated[str, typer.Option(help="How they are addressed.")] = "",
) -> None:
    """Put somebody on a list: asked by mail, or at once with --confirmed.

    \b
    Examples:
      digest subscribers add ann@example.org --list weekly
      digest subscribers add ann@example.org --list weekly --confirmed --consent "signed up at our stand, 3 May 2026"
    """
    from digest import db
    from subscribers import joining

    here = frame.of(ctx)
    with here.app() as opened, _said(), db.writing(opened.engine) as session:
        _known_list(session, list_id)
        sign_up = joining.SignUp(address, (list_id,), name=name, text=consent)
        means: dict[str, Any] = {
            "key": opened.instance.suppression_key,
            "now": opened.clock(),
            "random_bytes": os.urandom,
        }
        if confirmed:
            outcome = joining.admit(session, sign_up, **means)[list_id]
        else:
            joined = joining.join(session, sign_up, **means, method="command", private=True)
            _enqueue(opened, session, joined.sends)
            outcome = "asked" if joined.sends else "unchanged"
    if outcome in ("left", "suppressed"):
        raise NeedsDecision(_ADDED[outcome])
    if outcome == "unchanged":
        raise NothingToDo(_ADDED[outcome])
    here.out({"address": address, "list": list_id, "outcome": outcome}, _ADDED[outcome])


_ADDED = {
    "new": "Added and confirmed.",
    "updated": "Was pending; confirmed now.",
    "asked": "Asked by mail; on the list once they press the button in it.",
    "unchanged": "Nothing to do: on the list already, suppressed, or asked by mail lately.",
    "left": "They left this list or said that they did not ask: only their own sign-up brings them back.",
    "suppressed": "The address is suppressed: nothing is sent to it.",
}


@app.command("import")
def import_(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="FILE", help="CSV with a header; - for stdin.")],
    *,
    list_id: _In,
    confirmed: _Confirmed = False,
    consent: _Consent = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
) -> None:
    """Take a CSV file of people onto a list; without --confirmed everybody is asked by mail.

    Delimiter, encoding and columns are found out and shown. People who left, bounced or are suppressed, there or
    here, are never mailed. A second run changes nothing.

    \b
    Examples:
      digest subscribers import members.csv --list weekly --dry-run
      digest subscribers import members.csv --list weekly --confirmed --consent "our old list, exported 2 May 2026"
    """
    from digest import db
    from subscribers import transfer

    here = frame.of(ctx)
    order = transfer.Order(list_id, confirmed=confirmed, consent=consent, dry_run=dry_run)
    with here.app() as opened, _said(), _file(path) as file, here.progress() as progress:
        report = transfer.import_csv(
            file,
            order,
            transaction=lambda: db.reading(opened.engine) if dry_run else db.writing(opened.engine),
            enqueue=lambda session, sends: _enqueue(opened, session, sends),
            key=opened.instance.suppression_key,
            now=opened.clock(),
            random_bytes=os.urandom,
            progress=progress,
            # Confirm mails are written with what one thread alone may use.
            lanes=2 if confirmed and opened.engine.dialect.name == "postgresql" else 1,
        )
    here.out(report, _told(report, dry_run=dry_run))


@app.command("export")
def export(
    ctx: typer.Context,
    list_id: _In,
    path: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: stdout.")] = None,
) -> None:
    """Write everybody who is or was on a list as CSV, safe to open in a spreadsheet.

    \b
    Examples:
      digest subscribers export --list weekly > weekly.csv
      digest subscribers export --list weekly --to weekly.csv --json
    """
    from digest import db
    from subscribers import transfer

    here = frame.of(ctx)
    with here.app() as opened, db.reading(opened.engine) as session:
        _known_list(session, list_id)
        if path is None:
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # TextIO lacks the method
            transfer.export_csv(session, sys.stdout, list_id)
            return
        # Addresses are for the owner's eyes.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            count = transfer.export_csv(session, file, list_id)
    here.out({"list": list_id, "people": count, "file": str(path)}, f"{count} people in {path}.")


@app.command("list")
def list_(
    ctx: typer.Context,
    list_id: _On = None,
    status: Annotated[str | None, typer.Option(help="pending, confirmed, unsubscribed or declined.")] = None,
    after: Annotated[int, typer.Option(help="Go on after the person with this id.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most people shown.")] = 100,
) -> None:
    """Show people, page by page.

    \b
    Examples:
      digest subscribers list
      digest subscribers list --list weekly --status pending --after 4711
    """
    from digest import db
    from subscribers import standing
    from subscribers.models import Status

    if status is not None and status not in list(Status):
        raise UsageError(f"--status: expected {', '.join(Status)}, got {status!r}")
    here = frame.of(ctx)
    with here.app() as opened, db.reading(opened.engine) as session:
        if list_id is not None:
            _known_list(session, list_id)
        people = standing.listing(session, list_id=list_id, status=status, after=after, limit=limit)
    last = people[-1]["id"] if len(people) == limit else None
    rows = [
        (one["id"], one["email"], one["name"], ", ".join(f"{where}: {how}" for where, how in one["lists"].items()))
        for one in people
    ]
    more = [f"There may be more: --after {last}"] if last else []
    here.out({"subscribers": people, "next": last}, frame.columns(("id", "address", "name", "lists"), rows) + more)


@app.command("show")
def show(ctx: typer.Context, address: _Who) -> None:
    """Show all that is kept about an address: lists, proof of consent, suppressions.

    \b
    Examples:
      digest subscribers show ann@example.org
    """
    from digest import db
    from subscribers import standing
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    with here.app() as opened, _said(), db.reading(opened.engine) as session:
        page = standing.person(session, normalise(address).normalised, key=opened.instance.suppression_key)
    places = [
        (place["list_id"], place["status"], place["confirmed_at"], place["left_at"]) for place in page["subscriptions"]
    ]
    proofs = [
        (proof["at"], proof["list_id"], proof["action"], proof["method"], proof["text"]) for proof in page["consent"]
    ]
    human = [f"{page['email']}  {page.get('name', '')}".rstrip(), ""]
    human += [*frame.columns(("list", "status", "confirmed", "left"), places), ""]
    human += frame.columns(("at", "list", "what", "how", "words"), proofs)
    human += [
        f"Suppressed {row['scope'] or 'everywhere'} since {row['at']:%Y-%m-%d}: {row['reason']}"
        for row in page["suppressions"]
    ]
    here.out({"subscriber": page}, human)


@app.command("unsubscribe")
def unsubscribe(ctx: typer.Context, address: _Who, list_id: _On = None) -> None:
    """End somebody's subscriptions, all or one; they can come back by signing up.

    \b
    Examples:
      digest subscribers unsubscribe ann@example.org
      digest subscribers unsubscribe ann@example.org --list weekly
    """
    from digest import db
    from subscribers import leaving, standing
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    with here.app() as opened, _said(), db.writing(opened.engine) as session:
        handle, lists = standing.lists_of(session, normalise(address).normalised)
        concerned = lists if list_id is None else [list_id]
        if list_id is not None and list_id not in lists:
            raise NotFound(f"{address} was never on the list {list_id!r}")
        for one in concerned:
            leaving.unsubscribe(session, handle, one, method="command", now=opened.clock())
    here.out({"address": address, "lists": concerned}, f"{address} is on none of: {', '.join(concerned) or 'no list'}.")


@app.command("suppress")
def suppress(
    ctx: typer.Context,
    address: _Who,
    list_id: _On = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Take the suppression back; subscribes nobody.")] = False,
) -> None:
    """Keep an address away for ever, whether we know it or not: from imports, sign-ups and every mail.

    \b
    Examples:
      digest subscribers suppress ann@example.org --reason "asked by telephone"
      digest subscribers suppress ann@example.org --lift
    """
    from digest import db
    from subscribers import audience, leaving
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    with here.app() as opened, _said(), db.writing(opened.engine) as session:
        if list_id is not None:
            _known_list(session, list_id)
        email, scope, key = (
            normalise(address).normalised,
            list_id or audience.EVERYWHERE,
            opened.instance.suppression_key,
        )
        if lift:
            scopes = [scope] if list_id else [scope, audience.CONFIRM_MAILS]
            done = sum(leaving.unsuppress(session, email, key=key, scope=one) for one in scopes) > 0
        else:
            done = leaving.suppress(session, email, key=key, reason=reason, scope=scope, now=opened.clock())
    what = "not suppressed" if lift else "suppressed"
    if not done:
        raise NothingToDo(f"{address} was {what} before.")
    here.out({"address": address, "suppressed": not lift}, f"{address} is {what} now.")


app.command("history")(persons.history)
app.command("erase")(persons.erase)


def _enqueue(opened: App, session: Session, sends: Sequence[Send]) -> None:
    from digest.deliver.letters import Office, enqueue_confirm

    office = Office(opened.config, opened.templates, opened.instance.message_key)
    for send in sends:
        enqueue_confirm(session, office, send, opened.clock())


def _known_list(session: Session, list_id: str) -> None:
    from subscribers.joining import open_lists

    if not open_lists(session, [list_id], private=True):
        raise NotFound(f"there is no list {list_id!r}; digest lists list shows them")


def _told(report: dict[str, Any], *, dry_run: bool) -> list[str]:
    mailable = report["mailable"] if isinstance(report["mailable"], int) else len(report["mailable"])
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
    delimiter = names.get(report["delimiter"], report["delimiter"])
    columns = ", ".join(f"{meaning} from {column!r}" for meaning, column in report["columns"].items())
    counts = ", ".join(
        f"{report[word]} {word}" for word in ("new", "updated", "unchanged", "suppressed", "left", "asked")
    )
    bad = [f"line {row['line']}: {row['reason']}" for row in report["bad"][:20]]
    unsaid = report["bad_rows"] - len(bad)
    return [
        f"Read as {report['encoding']}, {delimiter} between cells; {columns}.",
        f"{'Would be: ' if dry_run else ''}{report['rows']} rows: {counts}, {report['bad_rows']} bad.",
        f"{mailable} mailable{', once they say yes to the mail' if report['asked'] else ''}.",
        *bad,
        *([f"and {unsaid} more bad rows"] if unsaid else []),
    ]


@contextmanager
def _said() -> Iterator[None]:
    """The errors of people as those of the command line."""
    from subscribers.errors import SubscriberError, UnknownList, UnknownPerson

    try:
        yield
    except (UnknownList, UnknownPerson) as error:
        raise NotFound(str(error)) from error
    except SubscriberError as error:
        raise UsageError(str(error)) from error


@contextmanager
def _file(path: str) -> Iterator[BinaryIO]:
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
        yield spool
