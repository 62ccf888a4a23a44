"""Files of rows, however they are written: CSV of any delimiter and encoding, JSON lines, and either of them in a ZIP.

Nothing here knows what a cell means. A ZIP is read where it lies: its names lead nowhere, and what it would unpack to
is bounded before a byte of it is.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, cast

from subscribers.errors import BadFile
from subscribers.meanings import Wish, wish_of_file

DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 65_536  # bytes that a guess looks at
_MARKS = (  # the longer ones first: UTF-32 begins as UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_LINE = 1 << 20  # characters of a JSON line
_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")

MOST_MEMBERS = 100  # lists in a ZIP
LARGEST_ZIP = 4 << 30  # bytes that it may unpack to
MOST_PACKED = 200  # times that it may be larger unpacked; lists of people pack to a fifth
_SMALL = 16 << 20  # bytes to which anything may unpack


class Part(NamedTuple):
    """One list: the file that was given, or one in a ZIP."""

    name: str
    file: BinaryIO


class Written(NamedTuple):
    """How a file is written."""

    kind: str  # csv or jsonl
    encoding: str
    delimiter: str  # "" for jsonl


@contextmanager
def parts(name: str, file: BinaryIO) -> Iterator[list[Part]]:
    """The lists in `file` (seekable): itself, or those in a ZIP; BadFile for a ZIP that can't be read or is too big."""
    file.seek(0)
    packed = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    if not packed:
        yield [Part(name, file)]
        return
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive)
            # Opened one after the other: each is read through before the next is looked at.
            yield [Part(member.filename, cast("BinaryIO", _Member(archive, member))) for member in members]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadFile(f"the ZIP can't be read: {error}") from error


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(_ENDINGS) and not member.filename.rpartition("/")[2].startswith(".")
    ]
    if not members:
        raise BadFile(f"the ZIP holds no list: expected a file ending in {', '.join(_ENDINGS)}")
    if len(members) > MOST_MEMBERS:
        raise BadFile(f"the ZIP holds {len(members)} lists; at most {MOST_MEMBERS} are read")
    # zipfile itself reads no more of a member than its header says.
    size, packed = (sum(getattr(member, what) for member in members) for what in ("file_size", "compress_size"))
    if size > LARGEST_ZIP or size > max(_SMALL, packed * MOST_PACKED):
        raise BadFile(f"the ZIP would unpack to {size:,} bytes from {packed:,}: no list of people packs like that")
    if any(member.flag_bits & 1 for member in members):
        raise BadFile("the ZIP is locked with a password: unpack it first")
    # Who left first, so that the others' rows find them gone.
    return sorted(members, key=lambda member: (wish_of_file(member.filename) is Wish.JOIN, member.filename))


class _Member(io.RawIOBase):
    """A file in a ZIP that opens when it is first read, and begins again when it is asked for its start."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        super().__init__()
        self._archive, self._member = archive, member
        self._open: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To the start, or as far as unpacking leads."""
        if self._open is not None and offset == 0 and whence == io.SEEK_SET:
            self._open.close()
            self._open = None
        return int(self._stream().seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        data = self._stream().read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        return bytes(self._stream().read(size))

    def read1(self, size: int = -1) -> bytes:
        """As a reader of text asks for it."""
        return bytes(self._stream().read1(size))

    def tell(self) -> int:
        return int(self._stream().tell())

    def _stream(self) -> Any:
        if self._open is None:
            self._open = self._archive.open(self._member)
        return self._open


def written(file: BinaryIO, *, encoding: str = "", delimiter: str = "") -> Written:
    """How `file` is written, where the caller does not know it; BadFile for an encoding that there is not."""
    encoding = _named(encoding) if encoding else _encoding(file)
    sample = sample_of(file, encoding)
    begins = sample.lstrip("\ufeff \t\r\n")[:1]
    if begins == "[":
        raise BadFile("a JSON array: expected JSON lines, one object on each line")
    if begins == "{":
        return Written("jsonl", encoding, "")
    return Written("csv", encoding, delimiter or _delimiter(sample))


def sample_of(file: BinaryIO, encoding: str) -> str:
    """The first whole lines of the file."""
    file.seek(0)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(file.read(SAMPLE))
    cut = text.rfind("\n")
    return text[: cut + 1] if len(text) > SAMPLE // 4 and cut > 0 else text


def lines(file: BinaryIO) -> int:
    """About how many rows `file` has, for a bar that shows how far the reading is."""
    file.seek(0)
    return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


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


def objects_of(file: BinaryIO, encoding: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """The lines of a file of JSON lines, blank ones left out: the object, or the sentence why it is none."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, newline="\n")
    number = 0
    try:
        while line := text.readline(_LONGEST_LINE):
            number += 1
            if not line.endswith("\n") and len(line) == _LONGEST_LINE:
                while (rest := text.readline(_LONGEST_LINE)) and not rest.endswith("\n"):
                    pass
                yield number, f"the line has more than {_LONGEST_LINE:,} characters"
            elif line.strip("\ufeff \t\r\n"):
                yield number, _object(line)
    except UnicodeError as error:
        raise BadFile(f"line {number + 1}: not {encoding}") from error
    finally:
        text.detach()


def _object(line: str) -> Mapping[str, Any] | str:
    try:
        value = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return "expected a JSON object"
    return value if isinstance(value, dict) else "expected a JSON object"


def as_cells(value: Mapping[str, Any], header: Sequence[str]) -> list[str]:
    """An object of a JSON line as the cells of a row; what is no text is written as JSON."""
    return [_cell(value.get(name)) for name in header]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _delimiter(sample: str) -> str:
    def fits(delimiter: str) -> tuple[float, int]:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row][:50]
        width = len(rows[0]) if rows else 0
        if width < 2:
            return 0.0, 0
        return sum(len(row) == width for row in rows) / len(rows), width

    return max(DELIMITERS, key=fits)


def _named(encoding: str) -> str:
    try:
        info = codecs.lookup(encoding)
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise BadFile(f"there is no encoding {encoding!r}; expected one like utf-8, cp1252 or shift_jis") from error
    if not getattr(info, "_is_text_encoding", True):
        raise BadFile(f"{encoding!r} is no encoding of text")
    return info.name


def _encoding(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(SAMPLE)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
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
