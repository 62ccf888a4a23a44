"""What an issue says, as plain frozen data: the only thing that templates see, and what approval is bound to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from digest.theme import STANDARD, THEMES, Palette, Theme


@dataclass(frozen=True)
class Byline:
    """Who wrote it."""

    name: str
    organisation: str = ""


@dataclass(frozen=True)
class Picture:
    """An article's lead image."""

    url: str
    alt: str = ""
    credit: str = ""
    width: int | None = None  # pixels, where the feed says
    height: int | None = None


@dataclass(frozen=True)
class Also:
    """Another article that tells the same story."""

    source: str
    url: str
    title: str = ""  # its own, where the source is that of the story's article


@dataclass(frozen=True)
class ArticleContent:
    """One placement, with the editor's words where there are some. All texts are plain text."""

    id: int
    url: str
    title: str
    dek: str = ""
    bylines: tuple[Byline, ...] = ()
    kind: str = ""  # first half of the kicker: "Analysis"
    section: str = ""  # second half: "Global Crises"
    source: str = ""
    picture: Picture | None = None
    published: date | None = None  # in the edition's zone
    language: str | None = None  # its own, BCP 47; templates mark it where the issue's is another
    also: tuple[Also, ...] = ()
    also_more: int = 0  # others that tell it, too, and are not named
    rank: int = 0  # 0 is the best of the issue; the last ones are left to the web where a mail gets too large
    by_hand: tuple[str, ...] = ()  # "title", "dek": the editor's words, where merge fields are read


@dataclass(frozen=True)
class SectionContent:
    """A section that has articles."""

    id: str
    title: str
    style: str  # full | short | links | symposium
    articles: tuple[ArticleContent, ...]
    note: str = ""  # Markdown, the editor's
    question: str = ""  # what the articles of a symposium answer


@dataclass(frozen=True)
class SiteContent:
    """Whose newsletter it is."""

    name: str
    url: str
    postal_address: str
    logo: str | None = None
    social: tuple[tuple[str, str], ...] = ()  # (label, URL)


@dataclass(frozen=True)
class Sponsor:
    """What somebody pays for, and says that it is paid for."""

    label: str  # "Sponsored by Harbour Books"
    title: str
    url: str
    text: str = ""  # Markdown
    picture: Picture | None = None
    after: str = ""  # id of the section it follows; "": the lead


@dataclass(frozen=True)
class IssueContent:
    """Everything an issue says to everybody; personal things are blanks (see digest.blanks)."""

    site: SiteContent
    edition: str  # title
    edition_id: str
    list_title: str
    number: int
    date: date  # of the slot, or of composing, in the edition's zone
    language: str  # BCP 47
    direction: str  # ltr | rtl
    subject: str
    preheader: str
    intro: str = ""  # Markdown
    outro: str = ""
    lead: ArticleContent | None = None
    sections: tuple[SectionContent, ...] = ()  # without the lead
    latest: tuple[ArticleContent, ...] = ()  # the newest ones again, by title
    sponsor: Sponsor | None = None
    web_url: str = ""  # this issue in the archive
    subscribe_url: str = ""
    theme: Theme = THEMES[STANDARD]
    # What variants are made by (compose.selecting):
    own_language: str = ""  # of the editor's words and the titles of sections, where it is not `language`
    own_direction: str = ""
    lead_section: str = ""  # id of the section that the lead is of
    choosable: tuple[str, ...] = ()  # ids of the sections of all the list's editions: what its readers may name
    subject_template: str = ""
    by_hand: tuple[str, ...] = ()  # "subject", "preheader": what an editor wrote is the same in every variant


def articles(content: IssueContent) -> tuple[ArticleContent, ...]:
    """Every article of the issue in reading order, the lead first."""
    lead = (content.lead,) if content.lead else ()
    return lead + tuple(article for section in content.sections for article in section.articles)


def to_json(content: IssueContent) -> str:
    """The content as canonical JSON: equal contents give equal text, on any machine."""
    return json.dumps(asdict(content), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_date)


def content_hash(content: IssueContent) -> str:
    """SHA-256 over the canonical JSON; what an approval is bound to."""
    return hashlib.sha256(to_json(content).encode()).hexdigest()


def from_json(text: str) -> IssueContent:
    """The content that `to_json` wrote."""
    raw: dict[str, Any] = json.loads(text)
    raw["site"] = SiteContent(
        **{**raw["site"], "social": tuple((label, url) for label, url in raw["site"]["social"])},
    )
    raw["date"] = date.fromisoformat(raw["date"])
    raw["lead"] = _article(raw["lead"]) if raw["lead"] else None
    raw["sections"] = tuple(
        SectionContent(**{**section, "articles": tuple(map(_article, section["articles"]))})
        for section in raw["sections"]
    )
    raw["latest"] = tuple(map(_article, raw["latest"]))
    raw["sponsor"] = _sponsor(raw["sponsor"]) if raw["sponsor"] else None
    raw |= {name: tuple(raw[name]) for name in ("choosable", "by_hand")}
    raw["theme"] = Theme(
        **{**raw["theme"], "light": Palette(**raw["theme"]["light"]), "dark": Palette(**raw["theme"]["dark"])}
    )
    return IssueContent(**raw)


def _article(raw: dict[str, Any]) -> ArticleContent:
    return ArticleContent(
        **{
            **raw,
            "bylines": tuple(Byline(**byline) for byline in raw["bylines"]),
            "picture": Picture(**raw["picture"]) if raw["picture"] else None,
            "published": date.fromisoformat(raw["published"]) if raw["published"] else None,
            "also": tuple(Also(**also) for also in raw["also"]),
            "by_hand": tuple(raw.get("by_hand", ())),
        },
    )


def _sponsor(raw: dict[str, Any]) -> Sponsor:
    return Sponsor(**{**raw, "picture": Picture(**raw["picture"]) if raw["picture"] else None})


def _date(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"expected plain data, got {type(value).__name__}")
