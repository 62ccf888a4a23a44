"""Headlines: the words of the page's title without the site's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from digest.gather.clean import plain_text

MAX_TITLE = 300  # graphemes
LONG = 10  # letters of a title that may be told from a word
_BARS = "|-–—·•»«｜│："
_SIGNS = re.compile(r"\s+(?:[|–—»«›·•:~/\\@│]|-{1,2}|::)\s+|\s*[|｜»│]\s*|:\s+(?=[^:]+$)|(?<=\S)\s?[–—]\s?(?=\S+$)")

_ARCHIVED = re.compile(r"^.{0,80}»\s*(?:Blog\s+)?Archi(?:ve|v|ves|vo|vio)\s*»\s*", re.I)
_NAMED = 0.4  # of the letters of a part of a title, that are the site's name


def cut(title: str, sites: Iterable[str]) -> str:
    """`title` without what names the site at its end or beginning."""
    title = _ARCHIVED.sub("", plain_text(title, MAX_TITLE))
    known = {_bare(site) for site in sites if _bare(site)}
    for _ in range(3):
        parts = [(found.start(), found.end()) for found in _SIGNS.finditer(title)]
        if not parts:
            return title
        (first_start, first_end), (last_start, last_end) = parts[0], parts[-1]
        if _names(title[last_end:], known, whole=":" in title[last_start:last_end]) and first_start > 0:
            title = title[:last_start].strip()
        elif _names(title[:first_start], known, whole=":" in title[first_start:first_end]):
            title = title[first_end:].strip()
        else:
            return title
    return title


def headed(title: str, heading: str) -> bool:
    """Whether `title` is `heading` with a bar or dash and more beside it."""
    at = title.casefold().find(heading.casefold())
    if at < 0 or len(heading) < 10:
        return False
    before, after = title[:at].rstrip(), title[at + len(heading) :].lstrip()
    return bool(before or after) and (not before or before[-1] in _BARS) and (not after or after[0] in _BARS)


def same(one: str, other: str) -> bool:
    """Whether they differ in capitals and signs only."""
    return bool(_bare(one)) and _bare(one) == _bare(other)


def has(long: str, short: str) -> bool:
    """Whether `long` begins or ends with the whole of `short`: with a kicker, a date or a name beside it."""
    one, other = _bare(long), _bare(short)
    return len(other) >= LONG and len(one) > len(other) and (one.startswith(other) or one.endswith(other))


def is_sentence(text: str) -> bool:
    """Whether it has the four words, or as many signs, that a section's name has not."""
    return text.count(" ") >= 3 or len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff]", text)) >= 12


def alike(one: str, other: str) -> float:
    """The share of the words of the shorter that the other has, too."""
    ours, theirs = set(_words(one)), set(_words(other))
    return len(ours & theirs) / max(min(len(ours), len(theirs)), 1)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _names(part: str, known: set[str], *, whole: bool = False) -> bool:
    bare = _bare(part)
    if not bare or whole:
        return bare in known
    return bare in known or any(
        min(len(bare), len(name)) > 3 and (bare in name or (name in bare and len(name) > _NAMED * len(bare)))
        for name in known
    )


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
