"""Issues and letters of an invented magazine that hold all they can, or as little as they can: to try templates on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any

from digest.compose.content import (
    Also,
    ArticleContent,
    Byline,
    IssueContent,
    Picture,
    SectionContent,
    SiteContent,
    Sponsor,
)

_SITE = SiteContent(
    "The Lantern",
    "https://lantern.example/",
    "The Lantern, 8 Quay Street, Galway, Ireland",
    social=(("Mastodon", "https://social.example/@lantern"), ("RSS", "https://lantern.example/feed.xml")),
)
_DAY = date(2026, 3, 6)
_PICTURE = Picture("https://lantern.example/images/pier.jpg", "A pier in the fog", "M. Hale", 1200, 800)


def _article(number: int, title: str, **more: Any) -> ArticleContent:
    return ArticleContent(number, f"https://lantern.example/{number}", title, rank=number, **more)


_LEAD = _article(
    1,
    'The ferry that "never" sailed & other accounts',
    dek="Three logbooks, two captains and one receipt <em>disagree</em> about a night in March.",
    bylines=(Byline("Aoife Brennan"), Byline("Jan Kowalczyk", "Harbour Desk")),
    kind="Reporting",
    section="Coast",
    picture=_PICTURE,
    published=_DAY,
    also=(Also("Bay Courier", "https://courier.example/ferry"), Also("The Lantern", "", "What the crew says")),
    also_more=2,
)
_NEWS = tuple(
    _article(
        number,
        title,
        dek="A sentence or two that say what the article is about, as most of them have.",
        bylines=(Byline("Mara Ilves"),),
        kind="Analysis",
        section="Coast",
        source="The Lantern",
        picture=_PICTURE if number == 2 else None,
        published=_DAY,
        language="de" if number == 4 else None,
    )
    for number, title in enumerate(["Fog as policy", "A harbour with two names", "Der Leuchtturm ist müde"], 2)
)

FULL = IssueContent(
    site=_SITE,
    edition="The Friday Lantern",
    edition_id="friday",
    list_title="The Friday Lantern",
    number=31,
    date=_DAY,
    language="en",
    direction="ltr",
    subject="The ferry that never sailed, and three more",
    preheader="Fog as policy · A harbour with two names · Der Leuchtturm ist müde",
    intro="Dear reader,\n\na **long** week, and [a short one](https://lantern.example/short).\n\n- one\n- two",
    outro="Until Friday.\n\n*The editors*",
    lead=_LEAD,
    sections=(
        SectionContent("coast", "Coast", "full", _NEWS, note="What we *think* of it."),
        SectionContent("notes", "Notes", "short", tuple(replace(one, id=one.id + 10) for one in _NEWS)),
        SectionContent("links", "Elsewhere", "links", (_article(31, "A map of silences", source="Bay Courier"),)),
        SectionContent(
            "talk",
            "Symposium",
            "symposium",
            (_article(41, "Nobody does", bylines=(Byline("Ewa Lis"),)), _article(42, "Whoever was there")),
            question="Who owns a shipwreck?",
        ),
    ),
    latest=(_NEWS[0], _LEAD),
    sponsor=Sponsor(
        "Sponsored by Quay Books", "Tide tables", "https://quay.example/tides", "Now *waterproof*.", _PICTURE
    ),
    web_url="https://news.lantern.example/archive/friday/31",
    subscribe_url="https://news.lantern.example/",
)

BARE = IssueContent(
    site=replace(_SITE, social=()),
    edition="Friday",
    edition_id="friday",
    list_title="Friday",
    number=1,
    date=_DAY,
    language="en",
    direction="ltr",
    subject="Only a title",
    preheader="Friday, from The Lantern in Galway, with one article",
    sections=(
        SectionContent("news", "News", "full", (ArticleContent(1, "https://lantern.example/1", "Only a title"),)),
    ),
)

RIGHT_TO_LEFT = replace(
    FULL,
    language="ar",
    direction="rtl",
    edition="حصاد الجمعة",
    list_title="حصاد الجمعة",
    subject="العبّارة التي لم تبحر",
    preheader="الضباب بوصفه سياسة، وميناء له اسمان، ومنارة متعبة في آخر الرصيف",
    intro="أعزاءنا القراء،",
)

LARGE = replace(
    FULL,
    sections=(
        SectionContent(
            "all", "Everything", "full", tuple(_article(100 + n, f"Article {n} of many") for n in range(150))
        ),
    ),
)

ISSUES: Mapping[str, IssueContent] = MappingProxyType(
    {"full": FULL, "bare": BARE, "right to left": RIGHT_TO_LEFT, "150 articles": LARGE}
)

_LETTER = {"site": _SITE, "list_title": "The Friday Lantern", "language": "en", "direction": "ltr"}

# A letter's template is known by its name; every other one is an issue's.
LETTERS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "confirm": {**_LETTER, "subject": "Please confirm: The Friday Lantern"},
        "welcome": {
            **_LETTER,
            "subject": "Welcome to The Friday Lantern",
            "issue_url": "https://news.lantern.example/archive/friday/31",
            "issue_title": _LEAD.title,
        },
        "goodbye": {
            **_LETTER,
            "subject": "You have left The Friday Lantern",
            "subscribe_url": "https://news.lantern.example/",
        },
        "link": {**_LETTER, "subject": "A link to your page"},
        "move": {**_LETTER, "subject": "Please confirm your new address"},
        "moved": {**_LETTER, "subject": "Your address was changed"},
        "changed": {**_LETTER, "subject": "Your choices were changed"},
        "notice": {**_LETTER, "subject": "A source is gone", "body": "The feed of **Bay Courier** answers 410."},
    }
)
