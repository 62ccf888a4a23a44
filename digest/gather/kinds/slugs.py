"""What an address says by itself: the words of a page whose title nobody told."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_SUFFIX = re.compile(r"\.(?:html?|xhtml|php\d?|aspx?|jsp|cfm|md)$", re.I)
_BREAK = re.compile(r"[-_+~\s]+")
_NUMBER = re.compile(r"\d+")
_KEY = re.compile(r"(?=[a-z]*\d)[a-z0-9]{6,}", re.I)  # letters and digits mixed: no word
_LETTERS = re.compile(r"[^\W\d_]")
_LISTS = {
    "tag", "tags", "category", "categories", "author", "authors", "archive", "archives", "page", "topic", "topics",
    "search", "feed", "login", "user", "users",
}  # fmt: skip
LEAST = 2  # words of an article's slug: "/about" and "/contact" are pages, not articles


def slug_title(url: str) -> str:
    """A title made of the words in `url`'s path ("/2026/11/a-quiet-border" gives "A quiet border"); empty if it has
    fewer than two, or if the page only lists others (a tag, an author, an archive)."""
    segments = [unquote(segment) for segment in urlsplit(url).path.split("/") if segment]
    if any(segment.lower() in _LISTS for segment in segments):
        return ""
    for segment in reversed(segments):
        words = _words(segment)
        if len(words) >= LEAST:
            return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])
        if words and not segment.lower().startswith(("index.", "default.")):
            return ""
    return ""


def _words(segment: str) -> list[str]:
    """Its words, without the numbers and keys that content systems hang on to either end."""
    words = [word for word in _BREAK.split(_SUFFIX.sub("", segment)) if word]
    while words and _is_key(words[-1]):
        words.pop()
    while words and _NUMBER.fullmatch(words[0]) and len(words[0]) > 4:
        words.pop(0)
    return words if any(map(_LETTERS.search, words)) else []


def _is_key(word: str) -> bool:
    if _NUMBER.fullmatch(word):
        return len(word) > 4  # a year or a small number is a word of the title
    return bool(_KEY.fullmatch(word)) and sum(map(str.isdigit, word)) >= 2
