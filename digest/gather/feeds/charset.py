"""Bytes to text: byte order mark, HTTP charset, XML declaration (RFC 7303), and what to do when they are wrong."""

from __future__ import annotations

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The beginning of "<?xml" or "<rss" where there is no byte order mark.
_SHAPES = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"\x4c\x6f\xa7\x94", "cp037"),
)
# What publishers write, and the superset that they mean (WHATWG Encoding).
_MEANT = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030",
    "shift_jis": "cp932", "euc_kr": "cp949",
    "big5": "big5hkscs", "iso8859-9": "cp1254", "tis-620": "cp874",
}  # fmt: skip
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:-]{1,40})""", re.I)
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
SAMPLE = 200_000  # bytes that a guess looks at


def decode(body: bytes, content_type: str | None = None) -> tuple[str, str]:
    """The text of `body` and the name of the encoding used; never fails, what can't be read becomes U+FFFD."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace"), name
    for shape, name in _SHAPES:
        if body.startswith(shape):
            return body.decode(name, "replace"), name
    labels = _labels(body, content_type)
    for label in [*labels, "utf-8"]:
        meant = _superset(label)
        if meant is None or (meant.startswith(("utf-16", "utf-32")) and b"\0" not in body[:8]):
            continue
        name = meant
        if _is_single_byte(name) and _is_utf8(body):
            name = "utf-8"  # eight-bit labels fit any bytes; that these are UTF-8 by accident does not happen
        try:
            return body.decode(name), name
        except (UnicodeDecodeError, ValueError):
            continue
    name = _guess(body, labels)
    return body.decode(name, "replace"), name


def _labels(body: bytes, content_type: str | None) -> list[str]:
    found = [match[1] for match in [_CHARSET.search(content_type or "")] if match]
    found += [match[1].decode() for match in [_DECLARED.search(body[:1024])] if match]
    return found


def _superset(label: str) -> str | None:
    try:
        codec = codecs.lookup(label)
    except LookupError:
        return None
    if not getattr(codec, "_is_text_encoding", True):
        return None
    return _MEANT.get(codec.name, codec.name)


def _is_single_byte(name: str) -> bool:
    return name.startswith(("cp125", "iso8859", "koi8", "cp874", "mac"))


def _is_utf8(body: bytes) -> bool:
    try:
        return not body.isascii() and bool(body.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _guess(body: bytes, labels: list[str]) -> str:
    """The encoding of text whose label is wrong or missing: by the shape of its bytes above 127."""
    sample = body[:SAMPLE]
    high = sum(map(len, _HIGH_RUN.findall(sample)))
    if sum(map(len, _UTF8_SEQUENCE.findall(sample))) > 0.8 * high:
        return "utf-8"  # with a few broken bytes
    for label in labels:
        name = _superset(label)
        if name and name != "utf-8" and not name.startswith(("utf-16", "utf-32")):
            return name
    runs = _HIGH_RUN.findall(sample)
    return _by_words(sample, runs, high) if high >= 3 * len(runs) else "cp1252"  # accented letters between plain ones


def _by_words(sample: bytes, runs: list[bytes], high: int) -> str:
    # Words of letters above 127: Cyrillic if most are the small letters of windows-1251, else Chinese.
    small = sum(byte >= 0xE0 for run in runs for byte in run)
    if small > 0.6 * high:
        return "cp1251"
    koi8 = sum(0xC0 <= byte < 0xE0 for run in runs for byte in run)
    if koi8 > 0.8 * high:
        return "koi8-r"
    return "gb18030" if _fits(sample, "gb18030") else "cp1252"


def _fits(sample: bytes, name: str) -> bool:
    """True if `sample`, but for a last character that may be cut, is valid in `name`."""
    try:
        sample.decode(name)
    except UnicodeDecodeError as error:
        return error.start > len(sample) - 4
    return True
