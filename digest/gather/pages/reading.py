"""A page -> what it says of its article: each field the best of ranked clues (`weights`), cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from selectolax.lexbor import LexborHTMLParser

from digest.gather.pages import choosing, dating, jsonld, metas, visible
from digest.gather.pages.body import paragraphs
from digest.gather.pages.caps import MAX_BYTES, parted
from digest.gather.pages.charset import page_text
from digest.gather.pages.clues import Clues
from digest.gather.urls import resolve


@dataclass(frozen=True)
class Page:
    """What a page says of its article; texts are plain, addresses absolute; empty or None where it says nothing.

    `published` is aware, in the page's own zone where it names one; a day without a time is midnight and
    `only_day`.
    """

    title: str = ""
    authors: tuple[str, ...] = ()
    published: datetime | None = None
    only_day: bool = False
    image: str | None = None
    image_alt: str = ""
    description: str = ""
    section: str | None = None
    canonical_url: str | None = None  # as the page names itself: rel=canonical, else og:url
    language: str | None = None
    site: str = ""
    paragraphs: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read(body: bytes, *, url: str = "", content_type: str | None = None) -> Page:
    """What the page `body`, found at `url`, says; never fails, and costs what its length asks for."""
    text, linked, problems = parted(page_text(body[:MAX_BYTES], content_type))
    page = LexborHTMLParser(text)
    clues = Clues()
    jsonld.gather(linked, clues)
    metas.gather(page, clues)
    visible.gather(page, clues)
    base = page.css_first("base[href]")
    at = resolve(url, (base.attributes.get("href") if base else "") or "") or url
    site = choosing.site(clues)
    language = choosing.language(clues)
    when = dating.published(clues, url, language)
    return Page(
        title=choosing.title(clues, url, site),
        authors=choosing.people(clues, url, site),
        published=when.at if when else None,
        only_day=bool(when and when.only_day),
        image=choosing.image(clues, at),
        image_alt=choosing.image_alt(clues),
        description=choosing.description(clues),
        section=choosing.section(clues),
        canonical_url=choosing.canonical(clues, at),
        language=language,
        site=site,
        paragraphs=paragraphs(page),
        problems=tuple(problems),
    )
