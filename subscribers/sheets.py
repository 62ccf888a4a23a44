"""Lists of people as other programs write them: who is in each row, and what it says about them.

Nothing here knows the database. What a cell means is guessed from the name of its column and shown to the caller, who
may say otherwise.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from subscribers import attributes, files, keeping, meanings
from subscribers.addresses import identity, tidy_name
from subscribers.errors import BadAddress, BadAttributes, BadFile
from subscribers.formulas import unguard
from subscribers.keeping import Kept
from subscribers.meanings import Wish

_SAMPLE_ROWS = 50
_MOST_NAMES = 1_000  # in a file of JSON lines
_NAMED = re.compile(r'\s*"?(?P<name>[^"<>@]*?)"?\s*<(?P<address>[^<>\s]+@[^<>\s]+)>\s*')  # Ann Lee <ann@example.org>

Cells = Sequence[str]


class More(NamedTuple):
    """What few rows say."""

    attributes: Mapping[str, Any] = {}
    tags: tuple[str, ...] = ()
    kept: Kept | None = None  # of our own exports: what was known of the person on the list


class Row(NamedTuple):
    """One person of the file."""

    line: int  # of the file, from 1
    email: str  # normalised
    domain: str
    typed: str
    name: str
    language: str | None
    wish: Wish
    more: More | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not taken, and why."""

    line: int
    reason: str
    cells: Cells = ()  # as they were read
    file: str = ""  # in a ZIP


@dataclass(frozen=True)
class Reading:
    """What the caller knows better than a guess; `columns` maps the name of a column to its meaning, or skip."""

    encoding: str = ""
    delimiter: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """How a file is to be read; `columns` says which column is taken for what."""

    kind: str  # csv or jsonl
    encoding: str
    delimiter: str
    header: tuple[str, ...]  # as written; empty if the file has none
    columns: Mapping[str, str]  # meaning -> name of the column (its number, from 1, without a header)
    places: Mapping[str, tuple[int, ...]]  # meaning -> indices
    ignored: tuple[str, ...]  # columns that are not taken
    program: str  # whose export it is, "" if we don't know it
    skip: int  # rows before the first person
    wish: Wish = Wish.JOIN  # what the file's name says about everybody in it


def look(file: BinaryIO, reading: Reading = Reading(), name: str = "") -> Sheet:
    """Find out how `file` (seekable) is written and which column is what; BadFile if no column holds addresses."""
    how = files.written(file, encoding=reading.encoding, delimiter=reading.delimiter)
    delimiter, rows, skip = _first_rows(file, how)
    if not rows:
        raise BadFile("the file is empty")
    names = [meanings.plain(cell) for cell in rows[0]]
    mapped = _mapped(rows[0], reading.columns)
    email = next((index for index, meaning in mapped.items() if meaning == "email"), None)
    email = next((names.index(one) for one in meanings.EMAILS if one in names), None) if email is None else email
    named = email is not None and not _is_address(rows[0][email])  # a number may be the place of an address
    header = named or how.kind == "jsonl" or not any("@" in cell for cell in rows[0])
    if email is None:
        email = _column_of_addresses(rows)
    if email is None:
        raise BadFile(f"no column holds addresses: expected one named email, got {', '.join(rows[0])[:200] or 'none'}")
    program = meanings.program(rows[0]) if header else ""
    places, ignored = _places(rows[0], mapped, email, program) if header else (_numbered(mapped, email), ())
    shown = {
        meaning: ", ".join(rows[0][index].strip() if header else str(index + 1) for index in indices)
        for meaning, indices in places.items()
    }
    return Sheet(
        kind=how.kind,
        encoding=how.encoding,
        delimiter=delimiter,
        header=tuple(rows[0]) if header else (),
        columns=shown,
        places=places,
        ignored=ignored,
        program=program,
        skip=skip + header,
        wish=meanings.wish_of_file(name) if program == "mailchimp" else Wish.JOIN,
    )


def _first_rows(file: BinaryIO, how: files.Written) -> tuple[str, list[list[str]], int]:
    """The delimiter, the header and the rows after it, and how many rows stand before."""
    if how.kind == "jsonl":
        objects = [
            one for _, one in islice(files.objects_of(file, how.encoding), _SAMPLE_ROWS) if not isinstance(one, str)
        ]
        header = list(dict.fromkeys(name for one in objects for name in one))
        return "", [header, *(files.as_cells(one, header) for one in objects)] if header else [], 0
    sample = files.sample_of(file, how.encoding)
    first, _, rest = sample.partition("\n")
    said = re.fullmatch(r"sep=(.)\r?", first)  # Excel's own hint
    delimiter = said[1] if said else how.delimiter
    try:
        rows = [
            row for row in csv.reader(io.StringIO(rest if said else sample, newline=""), delimiter=delimiter) if row
        ]
    except csv.Error as error:
        raise BadFile(f"can't be read as CSV: {error}") from error
    return delimiter, rows[:_SAMPLE_ROWS], 1 if said else 0


def _mapped(header: Cells, columns: Mapping[str, str]) -> dict[int, str]:
    """The columns that the caller names, by their names as written, as compared, or by number from 1."""
    found = {}
    plain = [meanings.plain(cell) for cell in header]
    for column, meaning in columns.items():
        if column in header:
            found[list(header).index(column)] = meaning
        elif meanings.plain(column) in plain:
            found[plain.index(meanings.plain(column))] = meaning
        elif column.isdecimal() and 0 < int(column) <= len(header):
            found[int(column) - 1] = meaning
        else:
            raise BadFile(f"there is no column {column!r}: expected one of {', '.join(header)[:300]}")
    return found


def _places(
    header: Cells, mapped: Mapping[int, str], email: int, program: str
) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Which columns mean what, and which are not taken."""
    places: dict[str, tuple[int, ...]] = {"email": (email,)}
    ignored = []
    for index, cell in enumerate(header):
        if index == email:
            continue
        meaning = mapped.get(index) or _meaning(cell, program)
        if meaning == "skip":
            ignored.append(cell.strip())
        else:
            places[meaning] = (*places.get(meaning, ()), index)
    return places, tuple(ignored)


def _numbered(mapped: Mapping[int, str], email: int) -> dict[str, tuple[int, ...]]:
    """What the columns of a file without a header mean: only what the caller says."""
    places: dict[str, tuple[int, ...]] = {"email": (email,)}
    for index, meaning in sorted(mapped.items()):
        if index != email and meaning != "skip":
            places[meaning] = (*places.get(meaning, ()), index)
    return places


def _meaning(column: str, program: str) -> str:
    name = meanings.plain(column)
    if program == "digest" and name in keeping.COLUMNS:
        return keeping.COLUMNS[name]
    if known := meanings.MEANINGS.get(name):
        return known
    key = attributes.key(column)
    return f"attributes.{key}" if key and meanings.is_kept(column) else "skip"


def read(file: BinaryIO, sheet: Sheet) -> Iterator[Row | BadRow]:
    """The people of the file, in its order, blank rows left out; BadFile where it can't be read on."""
    if sheet.kind == "jsonl":
        yield from _read_objects(file, sheet)
        return
    take = _taker(sheet)
    for line, cells in files.cells_of(file, sheet.encoding, sheet.delimiter, sheet.skip):
        yield take(line, cells)


def _read_objects(file: BinaryIO, sheet: Sheet) -> Iterator[Row | BadRow]:
    """A name that comes up late in the file means what it would have meant in its first line."""
    take, known = _taker(sheet), set(sheet.header)
    for line, value in files.objects_of(file, sheet.encoding):
        if isinstance(value, str):
            yield BadRow(line, value)
            continue
        if not value.keys() <= known:
            if len(known | value.keys()) > _MOST_NAMES:
                yield BadRow(line, f"the file has more than {_MOST_NAMES} different names")
                continue
            sheet = _widened(sheet, [name for name in value if name not in known])
            take, known = _taker(sheet), set(sheet.header)
        yield take(line, files.as_cells(value, sheet.header))


def _widened(sheet: Sheet, names: Sequence[str]) -> Sheet:
    header, places = (*sheet.header, *names), dict(sheet.places)
    for index, name in enumerate(names, len(sheet.header)):
        meaning = _meaning(name, sheet.program)
        if meaning != "skip":
            places[meaning] = (*places.get(meaning, ()), index)
    return replace(sheet, header=header, places=places)


def _taker(sheet: Sheet) -> Callable[[int, Cells], Row | BadRow]:
    email_at = sheet.places["email"][0]
    name_of, language_of, wish_of, more_of = _namer(sheet), _linguist(sheet), _wisher(sheet), _keeper(sheet)
    plainly = sheet.kind == "jsonl"
    named = not sheet.header

    def take(line: int, cells: Cells) -> Row | BadRow:
        typed = cells[email_at] if email_at < len(cells) else ""
        name = ""
        if "'" in typed and not plainly:
            typed = unguard(typed)
        if named and ">" in typed and (found := _NAMED.fullmatch(typed)):
            typed, name = found["address"], tidy_name(found["name"])
        try:
            email, domain = identity(typed)
        except BadAddress as error:
            return BadRow(line, str(error), cells)
        wish = wish_of(cells)
        try:
            more = more_of(cells)
        except BadAttributes as error:
            if wish is not Wish.LEFT:  # that somebody left is never lost
                return BadRow(line, str(error), cells)
            more = None
        return Row(line, email, domain, typed.strip(), name_of(cells) or name, language_of(cells), wish, more)

    return take


def _namer(sheet: Sheet) -> Callable[[Cells], str]:
    first, whole, last = (_cell(sheet, meaning) for meaning in ("first", "name", "last"))

    def name_of(cells: Cells) -> str:
        parts = first(cells) or whole(cells), last(cells)
        return tidy_name(whole(cells) if not parts[1] else " ".join(parts)) or tidy_name(parts[0])

    told = {"first", "name", "last"} & sheet.places.keys()
    if told == {"name"}:
        return lambda cells: tidy_name(whole(cells))
    return name_of if told else lambda cells: ""


def _linguist(sheet: Sheet) -> Callable[[Cells], str | None]:
    language = _cell(sheet, "language")
    known = lru_cache(maxsize=1_000)(_language)
    return (lambda cells: known(language(cells))) if "language" in sheet.places else lambda cells: None


def _cell(sheet: Sheet, meaning: str) -> Callable[[Cells], str]:
    """The first of the columns with this meaning that says anything."""
    places = sheet.places.get(meaning, ())
    guarded = sheet.kind == "csv"

    def cell(cells: Cells) -> str:
        for index in places:
            if index < len(cells) and (said := cells[index].strip()):
                return unguard(cells[index]).strip() if guarded and "'" in said else said
        return ""

    return cell


def _wisher(sheet: Sheet) -> Callable[[Cells], Wish]:
    told = {meaning: sheet.places.get(meaning, ()) for meaning in ("status", "left", "stay", "confirmed")}
    columns = sorted({index for indices in told.values() for index in indices})
    of_file = sheet.wish
    if not columns:
        return lambda cells: of_file
    widest = columns[-1] + 1

    # Millions of rows say the same few things in these columns, but for the times at which people left.
    @lru_cache(maxsize=4_096)
    def wish(*said: str) -> Wish:
        cells = dict(zip(columns, (one.strip().casefold() for one in said), strict=True))
        found = meanings.wish({meaning: [cells[index] for index in indices] for meaning, indices in told.items()})
        return meanings.stricter(found, of_file)

    def wish_of(cells: Cells) -> Wish:
        padded = cells if len(cells) >= widest else [*cells, *[""] * (widest - len(cells))]
        return wish(*(padded[index] for index in columns))

    return wish_of


def _keeper(sheet: Sheet) -> Callable[[Cells], More | None]:
    """What a row tells besides who it is: attributes, tags, and of our own exports all that was known."""
    names = [meaning for meaning in sheet.places if meaning.startswith("attributes.")]
    single = {name.removeprefix("attributes."): _cell(sheet, name) for name in names}
    if "first" in sheet.places:  # the name has it already, but who greets by it needs it alone
        single.setdefault("first_name", _cell(sheet, "first"))
    whole, tags = _cell(sheet, "attributes"), _cell(sheet, "tags")
    kept_of = keeping.reader({name: _cell(sheet, name) for name in keeping.COLUMNS.values()})
    own = sheet.program == "digest"
    if not own and not single and not {"attributes", "tags"} & sheet.places.keys():
        return lambda cells: None

    def more_of(cells: Cells) -> More | None:
        said = {name: value for name, cell in single.items() if (value := cell(cells))}
        if object_ := whole(cells):
            said = attributes.read(object_) | said
        kept = kept_of(cells) if own else None
        told = attributes.tags_of(cell) if (cell := tags(cells)) else ()
        return More(attributes.checked(said) if said else {}, told, kept) if said or told or kept else None

    return more_of


def _language(text: str) -> str | None:
    """A BCP 47 tag, `en_GB` read as `en-GB`; None for anything else."""
    tag = text.replace("_", "-")
    return tag if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", tag) else None


def _column_of_addresses(rows: Sequence[Cells]) -> int | None:
    counts: dict[int, int] = {}
    for row in rows:
        for index, cell in enumerate(row):
            if _is_address(cell):
                counts[index] = counts.get(index, 0) + 1
    best = max(counts, key=lambda index: counts[index], default=None)
    return best if best is not None and counts[best] * 2 >= len(rows) - 1 else None


def _is_address(cell: str) -> bool:
    found = _NAMED.fullmatch(cell) if ">" in cell else None
    try:
        identity(found["address"] if found else unguard(cell).strip())
    except BadAddress:
        return False
    return True
