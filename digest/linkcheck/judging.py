"""Which links an issue has to be asked about, and what an answer says of one. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from digest.gather.hosts import without_secrets
from digest.gather.outcomes import Failed
from digest.gather.urls import web
from digest.templating.inspection import Document

FINE, DEAD, UNTOLD = "fine", "dead", "untold"
_GONE = (404, 410)


@dataclass(frozen=True)
class Link:
    """A link that does not lead where it should, or may not."""

    url: str
    words: str  # what it stands under in the issue
    verdict: str  # dead | untold
    why: str  # "404", "there is no such host", ...


@dataclass(frozen=True)
class Checked:
    """What a look at all links of an issue came to."""

    at: str  # ISO 8601
    content_hash: str  # of the issue as it was looked at
    asked: int
    links: tuple[Link, ...] = ()  # all but the fine ones
    left: int = 0  # not asked before the time was over

    @property
    def dead(self) -> tuple[Link, ...]:
        """Those that lead nowhere for certain."""
        return tuple(link for link in self.links if link.verdict == DEAD)

    @property
    def untold(self) -> tuple[Link, ...]:
        """Those that may be fine: their servers would not say."""
        return tuple(link for link in self.links if link.verdict == UNTOLD)


def links(html: str, blank_word: str, base: str) -> Mapping[str, str]:
    """The web links of a rendered issue, each once without its fragment, with the words they stand under.

    Readers' own links (blanks) are none of them, nor those to our own pages below `base`.
    """
    found: dict[str, str] = {}
    for href, words in Document(html).links:
        url = web(href).partition("#")[0]
        if url and f"b{blank_word}x" not in url and url != base and not url.startswith(base + "/"):
            found.setdefault(url, " ".join(words.split())[:200])
    return found


def verdict(url: str, answer: int | Failed) -> tuple[str, str]:
    """What the answer (a status, or why there is none) says of the link `url`, and the reason in few words.

    Dead is only what says so: gone, no such host, nobody answers there, a certificate that browsers refuse. Servers
    refuse programs (401, 403, 429), are busy (5xx) or slow: of these nothing can be told.
    """
    if isinstance(answer, Failed):
        return (DEAD if answer.lost else UNTOLD), answer.sentence.removeprefix(f"{without_secrets(url)} ")
    if answer < 400:
        return FINE, ""
    return (DEAD if answer in _GONE else UNTOLD), str(answer)


def to_json(checked: Checked) -> dict[str, Any]:
    """Plain data that `from_json` reads."""
    return asdict(checked)


def from_json(raw: Mapping[str, Any]) -> Checked:
    """The look that `to_json` wrote."""
    return Checked(**{**raw, "links": tuple(Link(**one) for one in raw["links"])})


def told(checked: Checked, content_hash: str) -> list[str]:
    """The look in lines for a person; `content_hash` is the issue's now."""
    counts = [f"{checked.asked:,} links were asked {checked.at[:16].replace('T', ' ')} UTC"]
    counts += [f"{len(checked.dead)} dead"] if checked.dead else []
    counts += [f"{len(checked.untold)} could not be told"] if checked.untold else []
    counts += [f"{checked.left} left for want of time"] if checked.left else []
    since = "; the issue has changed since" if checked.content_hash != content_hash else ""
    names = {DEAD: "dead", UNTOLD: "could not be told"}
    lines = [f"  {names[one.verdict]}: {one.url} ({one.why})" for one in (*checked.dead, *checked.untold)]
    return [(", ".join(counts) if len(counts) > 1 else f"{counts[0]}, none is dead") + since + ".", *lines]
