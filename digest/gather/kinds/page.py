"""A page that lists articles, read by CSS selectors: a front page, a column, a press room without a feed."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import datetime

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from digest.config.selectors import split
from digest.gather.clean import markup_text, plain_text
from digest.gather.entries import Entry, Feed, Image
from digest.gather.feeds import pictures, times
from digest.gather.feeds.building import Raw, build
from digest.gather.feeds.charset import decode
from digest.gather.urls import resolve, web

MAX_CHARACTERS = 5_000_000
MAX_SIGNS = 200_000  # of "<"
MAX_DEPTH = 2_000  # a parser's time grows with the square of it
MAX_ATTRIBUTES = 5_000  # of one tag; each is compared with all before it
MAX_ARTICLES = 500
_LEAST_DEK = 40  # characters: shorter paragraphs are bylines and labels
_HEADING = "h1, h2, h3, h4"
_USUAL = {
    "article": "article",
    "author": '[rel="author"], [itemprop="author"], .byline, .author',
    "image": "img",
}
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_UNNESTED = {
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p",
    "param", "path", "source", "td", "th", "tr", "track", "use", "wbr",
}  # fmt: skip
_LAZY = ("src", "data-src", "data-lazy-src", "data-original", "srcset", "data-srcset")
_MONTH_FIRST = re.compile(r"([^\W\d]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:de\s+)?([^\W\d]{3,9})\.?,?\s+(?:de\s+)?(\d{4})")


def read_page(
    body: bytes, *, url: str = "", content_type: str | None = None, selectors: Mapping[str, str] | None = None
) -> Feed:
    """The articles of a page in its order, at most 500; a selector that fits nothing is a problem that names it."""
    text, _ = decode(body, content_type)
    problem = too_much(text)
    if problem:
        return Feed("", problems=(problem,))
    page = _Page(LexborHTMLParser(text), url, {**_USUAL, **(selectors or {})})
    try:
        articles = page.articles()
        found = [(article, page.link(article)) for article in articles]
        entries = tuple(page.entry(article, link) for article, link in found if link)
    except SelectolaxError:
        return Feed("", problems=(f"expected selectors that are CSS, got {_shown(page.selectors)}",))
    problems = page.problems(len(articles), len(entries))
    title = page.text_of("title")
    return Feed("page" if entries else "", title, page.language(), entries, problems)


def too_much(text: str) -> str:
    """Why the HTML of `text` is not parsed, or nothing: its size, tags, their attributes and depth are bounded."""
    if len(text) > MAX_CHARACTERS:
        return f"refused: larger than {MAX_CHARACTERS:,} characters"
    if text.count("<") > MAX_SIGNS:
        return f"refused: it has more than {MAX_SIGNS:,} tags"
    for piece in text.split("<"):
        if (
            len(piece) > 3 * MAX_ATTRIBUTES
            and len(piece.partition(">")[0].split(None, MAX_ATTRIBUTES)) > MAX_ATTRIBUTES
        ):
            return f"refused: a tag of it has more than {MAX_ATTRIBUTES:,} attributes"
    depth = 0
    for close, name in _TAG.findall(text):
        if name.lower() not in _UNNESTED:
            depth = max(depth - 1, 0) if close else depth + 1
            if depth > MAX_DEPTH:
                return f"refused: its elements are nested deeper than {MAX_DEPTH:,}"
    return ""


class _Page:
    """A parsed page with what is to be selected on it."""

    def __init__(self, tree: LexborHTMLParser, url: str, selectors: Mapping[str, str]) -> None:
        self._tree, self.selectors = tree, selectors
        self._unfit = set(selectors) - set(_USUAL)  # names asked for that fit nothing yet
        base = tree.css_first("base[href]")
        self._base = resolve(url, _attribute(base, "href")) or url if base else url

    def articles(self) -> list[LexborNode]:
        css, _ = split(self.selectors["article"])
        return self._tree.css(css)[:MAX_ARTICLES]

    def link(self, article: LexborNode) -> str:
        """Where the article can be read, absolute; empty if it has no such link."""
        if "link" in self.selectors:
            written = self._selected(article, "link", "href")
        else:
            heading = next((node for node in article.css(_HEADING) if node.css_first("a[href]")), article)
            anchor = heading.css_first("a[href]")  # the article itself, if it is one
            written = _attribute(anchor, "href") if anchor else ""
        return web(resolve(self._base, written)) if written else ""

    def entry(self, article: LexborNode, link: str) -> Entry:
        return build(
            Raw(
                link=link,
                base=self._base,
                title=self._title(article),
                summary=html.escape(self._dek(article), quote=False),
                published=self._published(article),
                authors=self._authors(article),
                categories=[self._selected(article, "section")] if "section" in self.selectors else [],
                image=self._image(article),
                language=self.language(),
            )
        )

    def problems(self, articles: int, entries: int) -> tuple[str, ...]:
        if not articles:
            wanted = self.selectors["article"]
            return (f'expected articles for the selector article = "{wanted}", got a page where it fits nothing',)
        said = [
            f'expected something for the selector {name} = "{self.selectors[name]}", got none in {articles} articles'
            for name in sorted(self._unfit)
        ]
        if not entries and "link" not in self._unfit:
            said.append(f"expected a link in each article, got none in {articles} articles")
        return tuple(said)

    def language(self) -> str | None:
        root = self._tree.root
        return _attribute(root, "lang") or None if root else None

    def text_of(self, css: str) -> str:
        node = self._tree.css_first(css)
        return _words(node)[:300] if node else ""

    def _selected(self, article: LexborNode, name: str, attribute: str = "") -> str:
        """What the selector `name` gives: the attribute it asks for, else `attribute`, else the words."""
        css, asked = split(self.selectors[name])
        node = article.css_first(css) if css else article
        wanted = asked or attribute
        if node is not None and wanted == "href" and not asked and not _attribute(node, "href"):
            node = node.css_first("a[href]")
        found = "" if node is None else _attribute(node, wanted) if wanted else _words(node)
        if found:
            self._unfit.discard(name)
        return found

    def _title(self, article: LexborNode) -> str:
        if "title" in self.selectors:
            return self._selected(article, "title")
        heading = next((words for node in article.css(_HEADING) if (words := _words(node))), "")
        anchor = article.css_first("a[href]")  # the article itself, if it is one
        return heading or (_words(anchor) or _attribute(anchor, "title") if anchor else "")

    def _dek(self, article: LexborNode) -> str:
        if "dek" in self.selectors:
            return self._selected(article, "dek")
        return next((words for node in article.css("p") if len(words := _words(node)) >= _LEAST_DEK), "")

    def _published(self, article: LexborNode) -> datetime | None:
        if "time" in self.selectors:
            css, asked = split(self.selectors["time"])
            node = article.css_first(css) if css else article
            written = self._selected(article, "time")
            return moment(written if asked or node is None else _attribute(node, "datetime") or written)
        node = article.css_first("time")
        return moment(_attribute(node, "datetime") or _words(node)) if node else None

    def _authors(self, article: LexborNode) -> list[str]:
        css, asked = split(self.selectors["author"])
        nodes = article.css(css) if css else [article]
        found = [_attribute(node, asked) if asked else _words(node) for node in nodes]
        if any(found):
            self._unfit.discard("author")
        return [name for name in dict.fromkeys(found) if name]

    def _image(self, article: LexborNode) -> Image | None:
        css, asked = split(self.selectors["image"])
        for node in (article.css(css) if css else [article])[:10]:
            names = (asked,) if asked else _LAZY
            address = next((found for name in names if (found := _first_address(_attribute(node, name)))), "")
            if not address:
                continue
            shown = "".join(f' {key}="{html.escape(_attribute(node, key))}"' for key in ("alt", "width", "height"))
            image = pictures.in_content(f'<img src="{html.escape(address)}"{shown}>', self._base)
            if image:
                self._unfit.discard("image")
                return image
        return None


def moment(written: str) -> datetime | None:
    """The instant that a page writes for people or for machines, aware UTC; None if it is none."""
    found = times.from_text(written)
    if found:
        return found
    month_first, day_first = _MONTH_FIRST.search(written), _DAY_FIRST.search(written)
    if day_first:
        return times.from_text(f"{day_first[1]} {day_first[2]} {day_first[3]} 00:00")
    if month_first:
        return times.from_text(f"{month_first[2]} {month_first[1]} {month_first[3]} 00:00")
    return None


def _first_address(written: str) -> str:
    """The first address of a src or srcset; pictures inside the address itself only hold a place."""
    address = written.strip().split(" ")[0].rstrip(",")
    return "" if address.startswith("data:") else address


def _attribute(node: LexborNode, name: str) -> str:
    return (node.attributes.get(name) or "").strip()


def _words(node: LexborNode) -> str:
    return plain_text(markup_text(node.inner_html or ""), 1_000)


def _shown(selectors: Mapping[str, str]) -> str:
    return ", ".join(f'{name} = "{css}"' for name, css in sorted(selectors.items()))
