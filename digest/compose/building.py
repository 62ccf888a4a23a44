"""Rows, the editor's words and the settings, made into what an issue says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from digest.compose.content import (
    Also,
    ArticleContent,
    Byline,
    IssueContent,
    Picture,
    SectionContent,
    SiteContent,
    Sponsor,
    articles,
)
from digest.compose.personal import impersonal
from digest.compose.sections import standing
from digest.config.values import EditionConfig, SectionConfig, SiteConfig
from digest.errors import TemplateError
from digest.links import Links
from digest.models import Article, Issue, Override, Placement
from digest.templating import line
from digest.theme import STANDARD, THEMES, Theme

PREHEADER = 110  # characters; mail programs show 40 to 110
LEAST_PREHEADER = 40
SUBJECT = 200  # characters of a plain subject


@dataclass(frozen=True)
class Material:
    """The rows and settings that one issue is built from."""

    site: SiteConfig
    edition: EditionConfig
    list_title: str
    issue: Issue
    number: int  # given, or the one it would get now
    placements: Sequence[Placement]  # only those with a place
    articles: Mapping[int, Article]
    overrides: Mapping[int, Override]
    sources: Mapping[str, str]  # id -> name
    theme: Theme = THEMES[STANDARD]
    choosable: tuple[str, ...] = ()  # ids of the sections of all the list's editions


def build(material: Material, links: Links) -> IssueContent:
    """The content of an issue: equal rows and settings give equal content."""
    site, issue = material.site, material.issue
    lead, lead_section, sections = _read(material, issue)
    own = {"subject": issue.subject_override, "preheader": issue.preheader_override}
    return IssueContent(
        site=SiteContent(site.name, site.url, site.postal_address, site.logo, tuple(site.social.items())),
        edition=material.edition.title,
        edition_id=material.edition.id,
        list_title=material.list_title,
        number=material.number,
        date=(issue.due_at or issue.window_end).astimezone(zone(material.edition, site)).date(),
        language=site.language,
        direction=direction(site.language),
        subject=own["subject"] or issue.subject,
        preheader=own["preheader"] or issue.preheader,
        intro=issue.intro,
        outro=issue.outro,
        lead=lead,
        sections=sections,
        latest=_latest(material),
        sponsor=_sponsor(issue.sponsor) if issue.sponsor else None,
        web_url=links.issue(material.edition.id, material.number),
        subscribe_url=links.subscribe(),
        theme=material.theme,
        lead_section=lead_section,
        choosable=material.choosable,
        subject_template=material.edition.subject,
        by_hand=tuple(name for name, words in own.items() if words),
    )


def zone(edition: EditionConfig, site: SiteConfig) -> ZoneInfo:
    """The zone in which an edition's dates are said."""
    return ZoneInfo(edition.timezone or site.timezone)


def direction(language: str) -> str:
    """ "rtl" for a language that is written from right to left, else "ltr"."""
    from babel import Locale, UnknownLocaleError

    try:
        return "rtl" if Locale.parse(language, sep="-").text_direction == "rtl" else "ltr"
    except (UnknownLocaleError, ValueError):
        return "ltr"


def _read(material: Material, issue: Issue) -> tuple[ArticleContent | None, str, tuple[SectionContent, ...]]:
    sections = standing(material.edition)
    places = sorted(material.placements, key=lambda row: row.position)
    ranks = _ranks(material)
    homes = [(_home(row, sections), _said(row.article_id, row, material, ranks[row.article_id])) for row in places]
    home, lead = homes.pop(0) if places and places[0].position == 0 else (None, None)
    filled = (
        SectionContent(
            section.id,
            section.title,
            section.style,
            tuple(article for home, article in homes if home is section),
            **issue.section_words.get(section.id, {}),
        )
        for section in sections
    )
    return lead, home.id if home else "", tuple(section for section in filled if section.articles)


def _home(row: Placement, sections: Sequence[SectionConfig]) -> SectionConfig:
    # A section that went from the settings since: what stood there comes last.
    return next((section for section in sections if section.id == row.section_id), sections[-1])


def _ranks(material: Material) -> Mapping[int, int]:
    """How articles would be given up: what an editor pinned last, then by score."""

    def worth(row: Placement) -> tuple[bool, float, int]:
        hand = material.overrides.get(row.article_id)
        return not (hand and hand.pinned), -row.score, row.position

    return {row.article_id: rank for rank, row in enumerate(sorted(material.placements, key=worth))}


def _said(article_id: int, row: Placement | None, material: Material, rank: int = 0) -> ArticleContent:
    article, hand = material.articles[article_id], material.overrides.get(article_id)
    own = {name: words for name in ("title", "dek") if (words := getattr(hand, name, None)) is not None}
    published = article.published_at.astimezone(zone(material.edition, material.site)) if article.published_at else None
    also = tuple(Also(one["source"], one["url"], one.get("title", "")) for one in row.also) if row else ()
    return ArticleContent(
        id=article_id,
        url=article.url,
        title=own.get("title", article.title),
        dek=own.get("dek", article.dek),
        bylines=tuple(Byline(one["name"], one.get("organisation") or "") for one in article.bylines if one.get("name")),
        kind=article.kind or "",
        section=article.section or "",
        source=material.sources.get(article.source_id) or article.source_id,
        picture=_picture(article),
        published=published.date() if published else None,
        language=article.language,
        also=also[: material.edition.also_max],
        also_more=max(0, len(also) - material.edition.also_max),
        rank=rank,
        by_hand=tuple(own),
    )


def _sponsor(raw: Mapping[str, Any]) -> Sponsor:
    picture = raw.get("picture")
    return Sponsor(**{**raw, "picture": Picture(**picture) if picture else None})


def _picture(article: Article) -> Picture | None:
    if not article.image_url:
        return None
    return Picture(
        article.image_url, article.image_alt, article.image_credit, article.image_width, article.image_height
    )


def _latest(material: Material) -> tuple[ArticleContent, ...]:
    """The newest ones again; none where that would repeat the whole issue."""
    if material.edition.latest >= len(material.placements):
        return ()
    rows = [material.articles[row.article_id] for row in material.placements]
    rows.sort(key=lambda article: article.canonical_url)
    rows.sort(key=_age, reverse=True)
    return tuple(_said(row.id, None, material) for row in rows[: material.edition.latest] if row.id is not None)


def _age(article: Article) -> datetime:
    return article.published_at or article.first_seen_at


def titled(content: IssueContent, template: str) -> tuple[IssueContent, str | None]:
    """The content with subject and preheader made from it, and a sentence if the edition's subject can't be used.

    The subject's template sees lead, count, number, date and edition; what titles hold is text to it, never template,
    and of the merge fields of an editor's title the defaults.
    """
    shown, problem = impersonal(content), None
    said = articles(shown)
    if not said:  # nothing to make a subject of, and nothing that could be sent
        return replace(content, subject=content.edition, preheader=content.edition), None
    context: dict[str, Any] = {
        "lead": shown.lead or said[0],
        "count": len(said),
        "number": content.number,
        "date": content.date,
        "language": content.language,  # of the date in words
        "edition": content.edition,
    }
    try:
        subject = line(template, context)
    except TemplateError as error:
        problem = f"The subject of edition {content.edition_id} can't be used, a plain one stands instead: {error}"
        subject = _cut(f"{content.edition}: {said[0].title}", SUBJECT)
    return replace(content, subject=subject, preheader=_preheader(shown, subject)), problem


def _preheader(content: IssueContent, subject: str) -> str:
    first, *rest = articles(content) or (None,)
    if first is None:
        return content.edition
    opening = [text for text in (first.title, first.dek) if text and text not in subject]
    # No fixed word stands in it: it is part of what is approved, before anybody's language is known.
    said = " · ".join([*opening[:1], *(article.title for article in rest[:4])])
    # With few and short titles, mail programs would go on with whatever stands next.
    known = [content.edition, content.site.name, content.site.url]
    while len(said) < LEAST_PREHEADER and known:
        said = " · ".join(filter(None, (said, known.pop(0))))
    return _cut(said, PREHEADER)


def _cut(text: str, most: int) -> str:
    """At most `most` characters, cut between words."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    return (
        text[: most - 1].rpartition(" ")[0].rstrip(" ,;:.") + "…" if " " in text[: most - 1] else text[: most - 1] + "…"
    )
