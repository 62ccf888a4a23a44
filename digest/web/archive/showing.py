"""An issue as a page for everybody: the very HTML that was sent, without what belongs to one reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

from digest.blanks import URLS, Blank, blank, fill
from digest.compose.content import ArticleContent, IssueContent, articles
from digest.compose.personal import impersonal
from digest.gather.urls import web
from digest.templating import Templates
from digest.templating.text import folded
from digest.web.archive.feeds import Entry, Feed
from digest.web.archive.reading import Frozen, Line, Shelf, Told

_LANGUAGE = re.compile(r"<html\b[^>]*\blang=\"?([A-Za-z][A-Za-z0-9-]{1,34})\"?", re.IGNORECASE)
_HEAD, _BODY = re.compile("</head>", re.IGNORECASE), re.compile("<body[^>]*>", re.IGNORECASE)
_END = re.compile(r"</body>(?!.*</body>)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Places:
    """Where the pages of an archive are: the addresses that its links lead to."""

    home: str  # where one subscribes
    edition: Callable[[str], str]
    issue: Callable[[str, int], str]
    absolute: Callable[[str], str]  # "weekly/feed.xml" below the archive, as a whole URL
    feeds: Callable[[str, str], str]  # edition and file, as a link of a page
    ours: Callable[[str], str] = str  # an issue's HTML with the addresses that lead elsewhere from here
    said: Mapping[str, Any] = field(default_factory=dict)  # what pages are told otherwise than on the public host


@dataclass(frozen=True)
class Neighbourhood:
    """What an issue's page leads on to."""

    shelf: Shelf
    before: Line | None
    after: Line | None
    noindex: bool


def listed(line: Line, places: Places, zone: str, language: str) -> dict[str, object]:
    """An issue as the lists of issues show it."""
    day = local(line.at, zone)
    return {
        "href": places.issue(line.edition_id, line.number),
        "number": line.number,
        "subject": subject(line, places),
        "day": format_date(day, "long", locale=language.replace("-", "_")),
        "date": day.isoformat(),
    }


def local(at: datetime, zone: str) -> date:
    """The day of an instant where the newsletter is made."""
    return at.astimezone(ZoneInfo(zone)).date()


def subject(line: Line, places: Places) -> str:
    """The subject, addressed to nobody."""
    return fill(line.subject, line.blank_word, _nobody(places), line.defaults)


def page(frozen: Frozen, around: Neighbourhood, places: Places, templates: Templates) -> str:
    """The page of an issue: what was sent, between a line that leads to the others and one that leads on."""
    found = _LANGUAGE.search(frozen.html)
    context = {
        "language": found[1] if found else "en",
        "edition": around.shelf.title,
        "subject": subject(frozen.line, places),
        "all": places.edition(around.shelf.id),
        "home": places.home,
        "canonical": places.absolute(f"{frozen.line.edition_id}/{frozen.line.number}"),
        "rss": places.feeds(around.shelf.id, "feed.xml"),
        "json": places.feeds(around.shelf.id, "feed.json"),
        "noindex": around.noindex,
        "before": _step(around.before, places),
        "after": _step(around.after, places),
    }
    html = _for_nobody(frozen, places)
    for where, part in ((_HEAD, "head"), (_BODY, "top"), (_END, "end")):
        html = _with(html, where, templates.page(f"issue-{part}", context), after=part == "top")
    return html


def _step(line: Line | None, places: Places) -> dict[str, str] | None:
    if line is None:
        return None
    return {"href": places.issue(line.edition_id, line.number), "subject": subject(line, places)}


def _with(html: str, where: re.Pattern[str], words: str, after: bool) -> str:
    found = where.search(html)
    if not found:
        return words + html if after else html + words
    at = found.end() if after else found.start()
    return html[:at] + words + html[at:]


def _for_nobody(frozen: Frozen, places: Places) -> str:
    word = frozen.line.blank_word
    personal = "|".join(re.escape(blank(word, name)) for name in sorted(URLS))
    # A link that says "Unsubscribe" would lead nowhere here: it goes, words and all.
    html = re.sub(rf"<a\b[^<>]*\b(?:{personal})\b[^<>]*>(?:(?!</a>).)*</a>", "", frozen.html, flags=re.DOTALL)
    values = {name: escape(value) for name, value in _nobody(places).items()}
    return fill(places.ours(html), word, values, [*map(escape, frozen.line.defaults)])


def _nobody(places: Places) -> dict[Blank, str]:
    return {**dict.fromkeys(Blank, ""), **dict.fromkeys(URLS, places.home)}


def feed(shelf: Shelf, said: Sequence[tuple[str, Told]], places: Places, site: tuple[str, str, str]) -> Feed:
    """The edition's feed: `said` are its issues with their names for ever, `site` is (name, URL, language)."""
    name, url, language = site
    return Feed(
        title=f"{shelf.title} · {name}" if name not in shelf.title else shelf.title,
        description=shelf.title,
        home=places.absolute(shelf.id),
        rss=places.absolute(f"{shelf.id}/feed.xml"),
        json=places.absolute(f"{shelf.id}/feed.json"),
        language=language,
        author=name,
        author_url=url,
        entries=[_entry(id_, told, places) for id_, told in said],
    )


def _entry(id_: str, told: Told, places: Places) -> Entry:
    line, content = told.line, impersonal(told.content) if told.content else None
    summary = " · ".join(folded(article.title) for article in articles(content)) if content else ""
    return Entry(
        id=id_,
        url=places.absolute(f"{line.edition_id}/{line.number}"),
        title=folded(subject(line, places)),
        at=line.at,
        summary=summary or folded(subject(line, places)),
        html=_as_html(content) if content else "",
    )


def _as_html(content: IssueContent) -> str:
    lead = [_article(content.lead)] if content.lead else []
    parts = [
        f"<h2>{escape(folded(section.title))}</h2>" + "".join(map(_article, section.articles))
        for section in content.sections
    ]
    return "\n".join([*lead, *parts])


def _article(article: ArticleContent) -> str:
    title, url = escape(folded(article.title)), web(article.url)
    named = f'<a href="{escape(url)}">{title}</a>' if url else title
    names = escape(", ".join(folded(byline.name) for byline in article.bylines))
    said = [f"<h3>{named}</h3>", f"<p>{names}</p>" if names else "", f"<p>{escape(folded(article.dek))}</p>"]
    return "".join(part for part in said if part != "<p></p>")
