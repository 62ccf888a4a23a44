"""Which section of an edition an article belongs to, by its rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from digest.compose.candidates import Candidate
from digest.config.values import EditionConfig, SectionConfig, SectionMatch


def standing(edition: EditionConfig) -> tuple[SectionConfig, ...]:
    """The edition's sections; "More" for everything else is added if none of them takes the rest."""
    if any(_takes_the_rest(section) for section in edition.sections):
        return edition.sections
    ids = {section.id for section in edition.sections}
    free = next(name for name in ("more", *(f"more-{n}" for n in range(2, len(ids) + 3))) if name not in ids)
    return (*edition.sections, SectionConfig(free, "More"))


def section_of(article: Candidate, sections: Sequence[SectionConfig]) -> SectionConfig:
    """The first section whose rule fits, else the first that takes the rest; there must be one."""
    for section in sections:
        if section.match is not None and fits(article, section.match):
            return section
    return next(section for section in sections if _takes_the_rest(section))


def _takes_the_rest(section: SectionConfig) -> bool:
    return section.match is None or section.match == SectionMatch()


def fits(article: Candidate, rule: SectionMatch) -> bool:
    """Whether every key of the rule that is given has a value that fits; a rule without keys fits nothing."""
    given = [
        (rule.source, _any(rule.source, [article.source])),
        (rule.section, _any(rule.section, [article.section])),
        (rule.category, _any(rule.category, article.categories)),
        (rule.kind, _any(rule.kind, [article.kind])),
        (rule.kicker, _any(rule.kicker, [f"{article.kind} | {article.section}"])),
        (rule.author, _any(rule.author, article.authors)),
        (rule.keyword, _words(rule.keyword, f"{article.title}\n{article.dek}")),
        (rule.path, _path(article.link).startswith(tuple(value.casefold() for value in rule.path))),
    ]
    asked = [fit for values, fit in given if values]
    return bool(asked) and all(asked)


def _any(wanted: Iterable[str], present: Iterable[str]) -> bool:
    return not {value.casefold() for value in wanted}.isdisjoint(value.casefold() for value in present)


def _words(keywords: Iterable[str], text: str) -> bool:
    folded = text.casefold()
    return any(re.search(rf"(?<!\w){re.escape(keyword.casefold())}(?!\w)", folded) for keyword in keywords)


def _path(link: str) -> str:
    try:
        path = urlsplit(link).path
    except ValueError:  # a host that is no host: such an article has no path
        path = ""
    return path.casefold().rstrip("/") + "/"
