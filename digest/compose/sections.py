"""Which section an article belongs to: by the first rule that fits, else by a guess, else with the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from digest.compose.candidates import Candidate
from digest.compose.folding import folded
from digest.config.values import EditionConfig, SectionConfig, SectionMatch
from digest.models import Override, SectionBy

if TYPE_CHECKING:
    from digest.compose.learning import Guess

_NOTHING = SectionMatch()


def standing(edition: EditionConfig) -> tuple[SectionConfig, ...]:
    """The edition's sections; "More" for everything else is added if none of them takes the rest."""
    if any(_takes_the_rest(section) for section in edition.sections):
        return edition.sections
    ids = {section.id for section in edition.sections}
    free = next(name for name in ("more", *(f"more-{n}" for n in range(2, len(ids) + 3))) if name not in ids)
    return (*edition.sections, SectionConfig(free, "More"))


def section_of(article: Candidate, sections: Sequence[SectionConfig], guess: Guess | None = None) -> SectionConfig:
    """The first section whose rule fits, else the guessed one, else the one that takes the rest; there must be one."""
    section = ruled(article, sections) or _guessed(sections, guess)
    return section or next(section for section in sections if _takes_the_rest(section))


def ruled(article: Candidate, sections: Sequence[SectionConfig]) -> SectionConfig | None:
    """The first section whose rule fits; None if no rule does."""
    return next((one for one in sections if one.match is not None and fits(article, one.match)), None)


def settled_by(
    article: Candidate, sections: Sequence[SectionConfig], override: Override | None, guess: Guess | None
) -> SectionBy:
    """Who decided on the section that the article stands in."""
    if override is not None and any(section.id == override.section_id for section in sections):
        return SectionBy.EDITOR
    if ruled(article, sections):
        return SectionBy.RULE
    return SectionBy.LEARNED if _guessed(sections, guess) else SectionBy.REST


def _guessed(sections: Sequence[SectionConfig], guess: Guess | None) -> SectionConfig | None:
    return next((section for section in sections if guess and section.id == guess.section_id), None)


def _takes_the_rest(section: SectionConfig) -> bool:
    return section.match is None or section.match == _NOTHING


def fits(article: Candidate, rule: SectionMatch) -> bool:
    """Whether every key of the rule that is given has a value that fits; a rule without keys fits nothing."""
    return rule != _NOTHING and (  # the cheap ones first: what one key refuses, the others need not look at
        (not rule.source or _any(rule.source, [article.source]))
        and (not rule.section or _any(rule.section, [article.section]))
        and (not rule.category or _any(rule.category, article.categories))
        and (not rule.kind or _any(rule.kind, [article.kind]))
        and (not rule.kicker or _any(tuple(map(_barred, rule.kicker)), _kickers(article)))
        and (not rule.author or _any(rule.author, article.authors))
        and (not rule.path or _path(article.link).startswith(tuple(map(folded, rule.path))))
        and (not rule.keyword or _words(rule.keyword, f"{article.title}\n{article.dek}"))
    )


def _any(wanted: tuple[str, ...], present: Iterable[str]) -> bool:
    return not _folded(wanted).isdisjoint(map(_said, present))


@lru_cache(maxsize=4096)  # sources, sections and kinds are the same few, too
def _said(name: str) -> str:
    return folded(name)


@lru_cache(maxsize=256)  # the same few rules for every article
def _folded(wanted: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(folded, wanted))


def _kickers(article: Candidate) -> Iterable[str]:
    halves = article.kind, article.section
    return [" | ".join(halves), *(half for half in halves if half)]


def _barred(kicker: str) -> str:
    return " | ".join(half.strip() for half in kicker.split("|"))


def _words(keywords: tuple[str, ...], text: str) -> bool:
    read = folded(text)
    return any(pattern.search(read) for pattern in _patterns(keywords))


@lru_cache(maxsize=256)
def _patterns(keywords: tuple[str, ...]) -> list[re.Pattern[str]]:
    return [re.compile(_pattern(folded(keyword))) for keyword in keywords]


def _pattern(keyword: str) -> str:
    start = keyword.rstrip("*")  # "migra*": any word that begins so
    return rf"(?<!\w){re.escape(start)}" + ("" if start != keyword and start else r"(?!\w)")


def _path(link: str) -> str:
    try:
        path = urlsplit(link).path
    except ValueError:  # a host that is no host: such an article has no path
        path = ""
    return folded(unquote(path)).rstrip("/") + "/"
