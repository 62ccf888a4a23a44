"""What one reader gets of an issue: choices x content -> content. Pure.

offered(content, languages)         the issue, as choices are held against it
chosen_by(offer, choices, language) -> Pick, or None where nothing of the issue is for this reader
key(offer, pick)                    equal picks are one variant, whatever was chosen; "" is what everybody gets
said_for(content, pick)             the variant's content: everything that templates see

What is muted never comes, be it pinned, be it the lead. An article with a muted author is out; with a followed one, or
in a followed section, it is in. What the editor writes to all (intro, outro, a section's note, a subject by hand) and
what is paid for stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from digest.compose.building import direction, titled
from digest.compose.content import ArticleContent, IssueContent, SectionContent
from digest.templating.wording import ENGLISH, fitting
from subscribers.choices import Choices, chosen

EVERYBODY = ""  # the key of the variant that the archive shows


@dataclass(frozen=True)
class Offered:
    """An article of the issue, as choices see it."""

    id: int
    section: str
    authors: frozenset[str]


@dataclass(frozen=True)
class Pick:
    """What readers with equal outcome get: ids of articles, in the order everybody reads them, and the language."""

    articles: tuple[int, ...]
    language: str


@dataclass(frozen=True)
class Offer:
    """An issue, as choices are held against it."""

    articles: tuple[Offered, ...]
    sections: frozenset[str]  # that a choice may name; others mean nothing
    languages: frozenset[str]  # that have fixed words
    everybody: Pick


def offered(content: IssueContent, languages: Collection[str]) -> Offer:
    """The issue as choices are held against it; `languages` are those that have fixed words."""
    lead = [(content.lead_section, content.lead)] if content.lead else []
    homes = lead + [(section.id, article) for section in content.sections for article in section.articles]
    found = tuple(Offered(article.id, home, frozenset(_authors(article))) for home, article in homes)
    own = (section.id for section in content.sections)
    known = frozenset({content.lead_section, *content.choosable, *own} - {""})
    everybody = Pick(tuple(one.id for one in found), content.language)
    return Offer(found, known, frozenset(languages) - {ENGLISH}, everybody)


def _authors(article: ArticleContent) -> Iterable[str]:
    return chosen(authors=(byline.name for byline in article.bylines)).authors


def chosen_by(offer: Offer, choices: Choices, language: str | None) -> Pick | None:
    """What a reader with these choices gets; None if that is nothing."""
    followed = offer.sections.intersection(choices.sections)
    muted = frozenset(choices.muted_sections)
    authors, unwanted = frozenset(choices.authors), frozenset(choices.muted_authors)
    kept = tuple(
        one.id
        for one in offer.articles
        if one.section not in muted
        and one.authors.isdisjoint(unwanted)
        and (not (followed or authors) or one.section in followed or not one.authors.isdisjoint(authors))
    )
    return Pick(kept, _spoken(offer, language)) if kept else None


def _spoken(offer: Offer, language: str | None) -> str:
    """The language whose fixed words serve the reader; the issue's own where there are none, or they are the same."""
    own = offer.everybody.language
    if not language:
        return own
    served = fitting(language, offer.languages)
    unknown = served == ENGLISH and language.partition("-")[0].casefold() != ENGLISH
    return own if unknown or served == fitting(own, offer.languages) else served


def wants_edition(choices: Choices, edition_id: str, editions: Collection[str]) -> bool:
    """Whether somebody with these choices gets this one of the list's `editions`; names of others mean nothing."""
    wanted = set(editions).intersection(choices.editions)
    return not wanted or edition_id in wanted


def key(offer: Offer, pick: Pick) -> str:
    """What names the variant among those of its issue: EVERYBODY, or a SHA-256 in hex."""
    if pick == offer.everybody:
        return EVERYBODY
    return hashlib.sha256(json.dumps([pick.language, pick.articles]).encode()).hexdigest()


def said_for(content: IssueContent, pick: Pick) -> IssueContent:
    """The content of a variant: of an issue with only these articles, its fixed words, dates and direction in their
    language; subject and preheader made anew where no editor wrote them.

    The lead of everybody leads where it is there; else the best that is no short piece, one with a picture first.
    LATEST keeps those of its titles that are there, unless that would repeat the whole.
    """
    kept = frozenset(pick.articles)
    sections = _thinned(content.sections, kept)
    lead, home = content.lead, content.lead_section
    if lead is not None and lead.id not in kept:
        lead, home = _next_lead(sections)
        sections = _thinned(sections, kept - {lead.id} if lead else kept)
    latest = tuple(article for article in content.latest if article.id in kept)
    said = replace(
        content,
        lead=lead,
        lead_section=home,
        sections=sections,
        latest=latest if len(latest) < len(kept) else (),
    )
    said = _in_language(said, pick.language) if pick.language != content.language else said
    made, _ = titled(said, content.subject_template)
    own = {name: getattr(content, name) for name in content.by_hand}
    return replace(said, **{"subject": made.subject, "preheader": made.preheader, **own})


def _thinned(sections: Iterable[SectionContent], kept: frozenset[int]) -> tuple[SectionContent, ...]:
    thinned = (
        replace(section, articles=tuple(article for article in section.articles if article.id in kept))
        for section in sections
    )
    return tuple(section for section in thinned if section.articles)


def _next_lead(sections: Iterable[SectionContent]) -> tuple[ArticleContent | None, str]:
    fit = [(article, section.id) for section in sections if section.style != "short" for article in section.articles]
    return min(fit, key=lambda pair: (pair[0].picture is None, pair[0].rank), default=(None, ""))


def _in_language(content: IssueContent, language: str) -> IssueContent:
    """The content with fixed words in `language`: what the articles say keeps its own, and says so."""

    def marked(article: ArticleContent) -> ArticleContent:
        return replace(article, language=article.language or content.language)

    return replace(
        content,
        language=language,
        direction=direction(language),
        own_language=content.language,
        own_direction=content.direction,
        lead=marked(content.lead) if content.lead else None,
        sections=tuple(replace(section, articles=tuple(map(marked, section.articles))) for section in content.sections),
        latest=tuple(map(marked, content.latest)),
    )
