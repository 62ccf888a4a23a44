"""What readers see: headings, and near the main one bylines, dates and pictures by microdata, class, link or words."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from digest.gather.pages import bylines
from digest.gather.pages.clues import Clues
from digest.gather.pages.near import FAR, MAX_RAW, MAX_SHORT, Line, Near, lines, mark, words

_ITEMS = {
    "headline": "title", "name": "title", "author": "author", "creator": "author", "datepublished": "date",
    "datecreated": "date", "datemodified": "date", "image": "image", "thumbnailurl": "image",
    "description": "description", "articlesection": "section", "inlanguage": "language",
}  # fmt: skip
_ARTICLE_TYPE = re.compile(r"(?:Article|Posting|Report|Review|CreativeWork|Recipe|WebPage)$", re.I)
_PICTURE = re.compile(r"(?:(?:Image|Media|Video|Audio)Object|Photograph)$", re.I)
_DATE = re.compile(
    r"dat(?:e|um)|fecha|publi|posted|timestamp|created|erstellt|(?:^|[\s_-])(?:time|byline|meta|info|details?)(?:[\s_-]|$)|meta",
    re.I,
)
_HEADLINE = re.compile(r"(?:head-?line|entry-?title|post-?title|article-?title|art-title|title__heading)", re.I)
_DAY = re.compile(r"(?:19|20)\d\d|\d\d?[./-]\d\d?[./-]\d\d")
_DATELINE = re.compile(
    r"[^\W\d_][^\d,.:]{2,30},?\s*\(?(?:den\s)?\s*\d\d?\.\s?(?:\d\d?\.|[^\W\d_]{3,9})\s?(?:19|20)\d\d"
)
_PUBLISHED = re.compile(r"publi(?:sh|ci|é|cat)|posted|pub-?date|entry-?date|post-?date|article-?date|timestamp", re.I)
_SENTENCE = re.compile(r"^.{60,}[.?!]$")
DATELINE = 50  # characters, with the place
MAX_LINE = 100  # characters of a line that tells a date, of no class


def gather(page: LexborHTMLParser, clues: Clues) -> None:
    """Adds what the body of the page shows."""
    near = Near(page, [text for _, text in clues.found["title"]])
    _microdata(page, clues, near)
    _headings(page, clues)
    short = lines(page)
    bylines.gather(page, clues, near, short)
    _times(page, clues, near, short)
    for node in page.css("article img[src], main img[src], [class*=article] img[src], [class*=entry] img[src]")[:30]:
        source = node.attributes.get("src") or ""
        if not _is_small(node) and not source.partition("?")[0].endswith((".svg", ".gif")):
            clues.add("image", "body.img", source)


def _microdata(page: LexborHTMLParser, clues: Clues, near: Near) -> None:
    authors = []
    for node in page.css("[itemprop]")[:500]:
        marks = node.attributes
        for name in (marks.get("itemprop") or "").lower().split():
            about = _ITEMS.get(name)
            if about is None or ((node.tag == "meta" or name == "name") and not _in_article(node)):
                continue
            if about == "author":
                authors += [] if _of_picture(node) else [node]
            elif about == "image":
                inner = node.css_first("[itemprop~=url], img[src]") if node.tag not in ("img", "meta", "link") else None
                clues.add("image", "item.image", _value(inner or node))
            else:
                clues.add(about, f"item.{name}", _value(node))
    shown = [node for node in authors if node.tag == "meta"] or near.nearest(
        [node for node in authors if not near.is_aside(node)]
    )
    for node in shown:
        inner = node.css_first("[itemprop~=name]")
        clues.add("author", "item.author", _value(inner or node))


def _of_picture(node: LexborNode) -> bool:
    """Whether it signs a picture or a film, and not the article."""
    above = node.parent
    for _ in range(6):
        if above is None or above.tag is None:
            return False
        if above.tag in ("figure", "figcaption") or _PICTURE.search(above.attributes.get("itemtype") or ""):
            return True
        above = above.parent
    return False


def _value(node: LexborNode) -> str:
    marks = node.attributes
    for key in ("content", "datetime") if node.tag not in ("img", "link", "a") else ("content", "src", "href"):
        if marks.get(key) and not (node.tag == "a" and key == "href"):
            return marks[key] or ""
    text = words(node)
    return text if len(text) <= MAX_SHORT * 2 else ""


def _in_article(node: LexborNode) -> bool:
    above = node.parent
    for _ in range(20):
        if above is None or above.tag is None:
            return False
        if "itemscope" in above.attributes:
            return bool(_ARTICLE_TYPE.search(above.attributes.get("itemtype") or ""))
        above = above.parent
    return False


def _headings(page: LexborHTMLParser, clues: Clues) -> None:
    headings = [node for node in page.css("h1")[:20] if words(node)]
    for node in headings:
        if _HEADLINE.search(mark(node)):
            clues.add("title", "h1.headline", words(node))
        clues.add("title", "h1.only" if len(headings) == 1 else "h1", words(node))
    for node in page.css("[class*=headline], [class*=entry-title], [class*=post-title], [class*=article-title]")[:5]:
        if node.tag in ("h2", "h3", "div", "span") and len(words(node)) <= MAX_SHORT:
            clues.add("title", "class.headline", words(node))
    for node in page.css("h2")[:1]:
        clues.add("title", "h2", words(node))


def _times(page: LexborHTMLParser, clues: Clues, near: Near, short: list[Line]) -> None:
    times = [node for node in page.css("time, [datetime]")[:80] if not near.is_aside(node) and not _is_quoted(node)]
    for node in sorted(times, key=near.steps)[:10]:
        marks = node.attributes
        first = "pubdate" in marks or re.search(r"publi|posted|entry-date|created", mark(node), re.I)
        late = re.search(r"updat|modif", mark(node), re.I)
        evidence = "time.updated" if late else "time.published" if first else "time"
        evidence = "time.far" if near.steps(node) == FAR and near.heading is not None else evidence
        clues.add("date", evidence, marks.get("datetime") or words(node)[:MAX_SHORT])
    for evidence, nodes in _dated(short, near).items():
        for node in sorted(nodes, key=near.steps)[:20]:
            line = words(node)
            clues.add("date", evidence, line[:DATELINE] if evidence == "dateline" else line)
    for node in page.css("abbr[title]")[:5]:
        clues.add("date", "abbr", node.attributes.get("title"))
    for node in page.css("#footer-info-lastmod, #lastmod")[:2]:
        clues.add("date", "class.updated", words(node)[:MAX_SHORT])


def _dated(short: list[Line], near: Near) -> dict[str, list[LexborNode]]:
    """What may tell the day: a line named for it, a short one, the dateline of a paragraph, at worst a sentence."""
    kinds = ("class.published", "class.date", "text", "dateline", "sentence")
    found: dict[str, list[LexborNode]] = {kind: [] for kind in kinds}
    for node, text in short:
        if (
            not _DAY.search(text if len(text) <= MAX_RAW else text[:MAX_LINE])
            or near.is_aside(node)
            or _is_quoted(node)
        ):
            continue
        if len(text) > MAX_LINE and _DATELINE.match(text[:MAX_LINE].lstrip()):
            found["dateline"].append(node)
        line = words(node) if len(text) <= MAX_RAW else ""
        if not line or len(line) > MAX_SHORT:
            continue
        named = mark(node)
        if _PUBLISHED.search(named):
            found["class.published"].append(node)
        elif _DATE.search(named):
            found["class.date"].append(node)
        elif len(line) <= MAX_LINE:
            found["sentence" if _SENTENCE.search(line) else "text"].append(node)
    return found


def _is_quoted(node: LexborNode) -> bool:
    """Whether it is part of what the page quotes: another's post, with that one's day."""
    above = node.parent
    for _ in range(6):
        if above is None or above.tag in ("article", "body", None):
            return False
        if above.tag == "blockquote":
            return True
        above = above.parent
    return False


def _is_small(node: LexborNode) -> bool:
    sizes = [node.attributes.get(key) or "" for key in ("width", "height")]
    return any(size.isdecimal() and int(size) < 150 for size in sizes)
