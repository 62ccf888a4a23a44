"""Lists of people as other programs write them: CSV of any usual delimiter and encoding, read row by row.

Nothing here knows the database. What a cell means is guessed from the name of its column and shown to the caller;
where a status is told, a row is taken for somebody to mail only if it says so in a word that we know.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from subscribers.addresses import identity, tidy_name
from subscribers.errors import BadAddress, BadFile

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 65_536  # bytes
_SAMPLE_ROWS = 50


class Wish(StrEnum):
    """What a row says about its person."""

    JOIN = "join"  # nothing against mailing them
    WAIT = "wait"  # not confirmed there either, or a status that we don't know: kept, not mailed
    LEFT = "left"  # unsubscribed, bounced, complained, switched off: never mailed


class Row(NamedTuple):
    """One person of the file."""

    line: int  # of the file, from 1
    email: str  # normalised
    domain: str
    typed: str
    name: str
    language: str | None
    wish: Wish


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not taken, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Sheet:
    """How a file is to be read; `columns` says which column is taken for what."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]  # as written; empty if the file has none
    columns: Mapping[str, str]  # meaning -> name of the column (its number, from 1, without a header)
    places: Mapping[str, tuple[int, ...]]  # meaning -> indices
    skip: int  # rows before the first person


_EMAIL = """email;email address;e mail;e mail address;emailaddress;mail;mail address;subscriber email;user email;
email adresse;e mail adresse;mailadresse;adresse e mail;courriel;correo;correo electronico;e mail 1 value;address"""
_FIRST = "first name;firstname;fname;given name;forename;vorname;prenom;prénom;nombre"
_LAST = "last name;lastname;lname;surname;family name;nachname;nom;apellido;apellidos"
_NAME = "name;full name;fullname;display name;subscriber name;real name"
_LANGUAGE = "language;lang;locale;sprache;langue"
_STATUS = """status;state;subscription status;subscriber status;member status;email status;email permission status;
marketing status;subscription state"""
_LEFT = """unsub time;unsubscribed;unsubscribed at;unsubscribed on;unsubscribe date;unsubscribed date;unsubscribe time;
date unsubscribed;is unsubscribed;opted out;opt out;optout;opt out time;opted out at;email disabled;disabled;
bounced;bounced at;hard bounced;complained;complained at;clean time;cleaned;cleaned at;deleted;deleted at;
suppressed;suppressed at;blocked;blocklisted;blacklisted;banned;do not contact;do not email;left;left at"""
_STAY = """subscribed;is subscribed;subscribed to emails;opted in;opt in;optin;email opt in;enabled;active;is active;
mailable;accepts marketing;accepts email marketing"""
_SINCE = "confirmed;is confirmed;verified;email verified"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";")]


_MEANINGS = {
    name: meaning
    for meaning, names in {
        "first": _FIRST,
        "last": _LAST,
        "name": _NAME,
        "language": _LANGUAGE,
        "status": _STATUS,
        "left": _LEFT,
        "stay": _STAY,
        "confirmed": _SINCE,
    }.items()
    for name in _parts(names)
}
_EMAILS = _parts(_EMAIL)  # in this order: "address" may be a street

_NO = frozenset({"", "0", "false", "no", "n", "f", "off", "null", "none", "nil", "-", "nan"})
_JOIN_WORDS = frozenset(
    _parts(
        """1;active;subscribed;confirmed;enabled;on;true;yes;y;opted-in;opt-in;optin;opted_in;express;implied;member;
        free;paid;premium;comp;gift;trial;regular;verified;ok"""
    )
)
_LEFT_WORDS = frozenset(
    _parts(
        """0;false;no;n;off;inactive;unsubscribed;unsubscribe;unreachable;bounced;bounce;hard_bounce;hard-bounced;
        hard bounced;cleaned;complained;complaint;spam;disabled;blocked;blocklisted;blacklisted;suppressed;deleted;
        removed;left;declined;expired;cancelled;canceled;opted-out;opt-out;optout;opted_out;opted out;archived;banned;
        undeliverable;invalid;rejected;quarantined;temporary_hold;not_set;non-subscribed;nonsubscribed;transactional;
        dormant;paused"""
    )
)


def look(file: BinaryIO) -> Sheet:
    """Find out how `file` (seekable) is written and which column is what; BadFile if no column holds addresses."""
    encoding = _encoding(file)
    sample = _sample(file, encoding)
    first, _, rest = sample.partition("\n")
    said = re.fullmatch(r"sep=(.)\r?", first)  # Excel's own hint
    delimiter = said[1] if said else _delimiter(sample)
    rows = [row for row in csv.reader(io.StringIO(rest if said else sample, newline=""), delimiter=delimiter) if row]
    rows = rows[:_SAMPLE_ROWS]
    if not rows:
        raise BadFile("the file is empty")
    skip = 1 if said else 0
    names = [_plain(cell) for cell in rows[0]]
    places: dict[str, tuple[int, ...]] = {}
    email = next((names.index(name) for name in _EMAILS if name in names), None)
    header = email is not None or not any("@" in cell for cell in rows[0])
    if email is None:
        email = _column_of_addresses(rows)
    if email is None:
        raise BadFile(f"no column holds addresses: expected one named email, got {', '.join(rows[0])[:200] or 'none'}")
    places["email"] = (email,)
    if header:
        skip += 1
        for index, name in enumerate(names):
            if index != email and (meaning := _MEANINGS.get(name)):
                places[meaning] = (*places.get(meaning, ()), index)
    shown = {
        meaning: ", ".join(rows[0][index].strip() if header else str(index + 1) for index in indices)
        for meaning, indices in places.items()
    }
    return Sheet(encoding, delimiter, tuple(rows[0]) if header else (), shown, places, skip)


def read(file: BinaryIO, sheet: Sheet) -> Iterator[Row | BadRow]:
    """The people of the file, in its order, blank rows left out; BadFile where it can't be read on."""
    take = _taker(sheet)
    for line, cells in cells_of(file, sheet.encoding, sheet.delimiter, sheet.skip):
        yield take(line, cells)


def cells_of(file: BinaryIO, encoding: str, delimiter: str, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file as they are, each with the line it begins on; BadFile where a row can't be read."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        reader = csv.reader(text, delimiter=delimiter)
        begins = 1
        for number, cells in enumerate(reader):
            if number >= skip and any(cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise BadFile(f"line {begins}: {error}; perhaps a quote that does not end") from error
    except UnicodeError as error:
        raise BadFile(f"line {begins}: not {encoding}") from error
    finally:
        text.detach()


def guard(cell: str) -> str:
    """The cell with an apostrophe wherever a spreadsheet, whatever its delimiter, would begin a formula (S-C6)."""
    return _FORMULA.sub("'", cell)


def unguard(cell: str) -> str:
    """What `guard` was given."""
    return _GUARDED.sub("", cell) if "'" in cell else cell


_BEGINS = r"""(?<![^,;\t|"\r\n])"""
_SIGNS = r"'*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(f"{_BEGINS}(?={_SIGNS})")
_GUARDED = re.compile(f"{_BEGINS}'(?={_SIGNS})")


def _taker(sheet: Sheet) -> Callable[[int, list[str]], Row | BadRow]:
    email_at = sheet.places["email"][0]
    name_of, language_of, wish_of = _namer(sheet), _linguist(sheet), _wisher(sheet)

    def take(line: int, cells: list[str]) -> Row | BadRow:
        typed = unguard(cells[email_at]).strip() if email_at < len(cells) else ""
        try:
            email, domain = identity(typed)
        except BadAddress as error:
            return BadRow(line, str(error))
        return Row(line, email, domain, typed, name_of(cells), language_of(cells), wish_of(cells))

    return take


def _namer(sheet: Sheet) -> Callable[[list[str]], str]:
    first, whole, last = (_cell(sheet, meaning) for meaning in ("first", "name", "last"))

    def name_of(cells: list[str]) -> str:
        parts = first(cells) or whole(cells), last(cells)
        return tidy_name(whole(cells) if not parts[1] else " ".join(parts)) or tidy_name(parts[0])

    return name_of if {"first", "name", "last"} & sheet.places.keys() else lambda cells: ""


def _linguist(sheet: Sheet) -> Callable[[list[str]], str | None]:
    language = _cell(sheet, "language")
    known = lru_cache(maxsize=1_000)(_language)
    return (lambda cells: known(language(cells))) if "language" in sheet.places else lambda cells: None


def _cell(sheet: Sheet, meaning: str) -> Callable[[list[str]], str]:
    """The first of the columns with this meaning that says anything."""
    places = sheet.places.get(meaning, ())

    def cell(cells: list[str]) -> str:
        for index in places:
            if index < len(cells) and cells[index].strip():
                return unguard(cells[index]).strip()
        return ""

    return cell


def _wisher(sheet: Sheet) -> Callable[[list[str]], Wish]:
    told = {meaning: sheet.places.get(meaning, ()) for meaning in ("status", "left", "stay", "confirmed")}
    columns = sorted({index for indices in told.values() for index in indices})
    if not columns:
        return lambda cells: Wish.JOIN
    widest = columns[-1] + 1

    # Millions of rows say the same few things in these columns, but for the times at which people left.
    @lru_cache(maxsize=4_096)
    def wish(*said: str) -> Wish:
        cells = dict(zip(columns, (one.strip().casefold() for one in said), strict=True))
        return _wish({meaning: [cells[index] for index in indices] for meaning, indices in told.items()})

    def wish_of(cells: list[str]) -> Wish:
        padded = cells if len(cells) >= widest else [*cells, *[""] * (widest - len(cells))]
        return wish(*(padded[index] for index in columns))

    return wish_of


def _wish(said: Mapping[str, list[str]]) -> Wish:
    status = {value for value in said["status"] if value}
    if (
        any(value not in _NO for value in said["left"])
        or any(value and value in _NO for value in said["stay"])
        or status & _LEFT_WORDS
    ):
        return Wish.LEFT
    if status - _JOIN_WORDS or any(value and value in _NO for value in said["confirmed"]):
        return Wish.WAIT
    return Wish.JOIN


def _language(text: str) -> str | None:
    """A BCP 47 tag, `en_GB` read as `en-GB`; None for anything else."""
    tag = text.replace("_", "-")
    return tag if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", tag) else None


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())


def _column_of_addresses(rows: list[list[str]]) -> int | None:
    counts: dict[int, int] = {}
    for row in rows:
        for index, cell in enumerate(row):
            if _is_address(cell):
                counts[index] = counts.get(index, 0) + 1
    best = max(counts, key=lambda index: counts[index], default=None)
    return best if best is not None and counts[best] * 2 >= len(rows) - 1 else None


def _is_address(cell: str) -> bool:
    try:
        identity(unguard(cell).strip())
    except BadAddress:
        return False
    return True


def _delimiter(sample: str) -> str:
    def fits(delimiter: str) -> tuple[float, int]:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row][:_SAMPLE_ROWS]
        width = len(rows[0]) if rows else 0
        if width < 2:
            return 0.0, 0
        return sum(len(row) == width for row in rows) / len(rows), width

    return max(DELIMITERS, key=fits)


def _encoding(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(_SAMPLE)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[1::2].count(0) * 4 > len(head):
        return "utf-16-le"
    if head[0::2].count(0) * 4 > len(head):
        return "utf-16-be"
    # Read to its end: one wrong byte in the last row decides, and it costs 50 ms a million rows.
    for encoding in ("utf-8", "cp1252"):
        if _decodes(file, encoding):
            return encoding
    return "latin-1"


def _decodes(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while block := file.read(1 << 20):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _sample(file: BinaryIO, encoding: str) -> str:
    file.seek(0)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(file.read(_SAMPLE))
    cut = text.rfind("\n")
    return text[: cut + 1] if len(text) > _SAMPLE // 4 and cut > 0 else text
