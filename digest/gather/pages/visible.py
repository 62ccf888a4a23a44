"""What readers see: headings, and near the main one bylines, dates and pictures by microdata, class, link or words."""

from __future__ import annotations

import re
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from digest.gather.pages.clues import Clues

MAX_SHORT = 200  # characters of what is a byline or a date, and no paragraph
MAX_NODES = 8_000  # that are looked at
FAR = 99  # steps from the main heading, of what stands nowhere near

_ITEMS = {
    "headline": "title", "name": "title", "author": "author", "creator": "author", "datepublished": "date",
    "datecreated": "date", "datemodified": "date", "image": "image", "thumbnailurl": "image",
    "description": "description", "articlesection": "section", "inlanguage": "language",
}  # fmt: skip
_ARTICLE_TYPE = re.compile(r"(?:Article|Posting|Report|Review|CreativeWork|Recipe|WebPage)$", re.I)
_ASIDE = re.compile(
    r"\b(?:comment|related|sidebar|widget|footer|recommend|popular|trending|teaser|promo|newsletter)", re.I
)
_BYLINE = re.compile(
    r"(?:^|[\s_-])(?:by-?line|byl|author|writer|autor|auteur|verfasser|redakteur|contributor)(?:s|in|[\s_-]|$)|"
    r"author[-_]?name|byline[-_]?name",
    re.I,
)
_NAME = re.compile(
    r"(?:author|byline|writer|autor|contributor)s?[-_]*(?:full)?[-_]*name|\bfn\b|(?:author|byline)[-_]*link", re.I
)
_DATE = re.compile(
    r"dat(?:e|um)|fecha|publi|posted|timestamp|created|erstellt|(?:^|[\s_-])(?:time|byline|meta|info|details?)(?:[\s_-]|$)|meta",
    re.I,
)
_HEADLINE = re.compile(r"(?:head-?line|entry-?title|post-?title|article-?title|art-title|title__heading)", re.I)
_AUTHOR_PAGE = re.compile(
    r"/(?:authors?|autor(?:en)?|auteurs?|contributors?|by|staff|people|profiles?|reporters?|journalists?|columnists?)"
    r"/[^/?#]+/?$",
    re.I,
)
_BY = re.compile(
    r"(?:^|(?i:posted|written|published|veröffentlicht|geschrieben|erstellt|verfasst|publié|publicado|escrito|interview|text)"
    r"\s[^.]{0,40}?)(?<!\w)(?i:by|von|par|por|di|av|af|door)[:\s]+(?=[A-ZÀ-ŽА-Я])"
)
_DAY = re.compile(r"(?:19|20)\d\d|\d\d?[./-]\d\d?[./-]\d\d")
MAX_LINE = 100  # characters of a line that tells a date, of no class
_GLUED = re.compile(r"\x1f+\s*(?=[:;,.!?)\]’'»”])")


class _Near:
    """How far from the main heading something stands."""

    def __init__(self, page: LexborHTMLParser, titles: str) -> None:
        headings = [node for node in page.css("h1")[:20] if words(node)] or page.css("h2")[:20]
        named = [node for node in headings if _bare(words(node)) and _bare(words(node)) in titles]
        self.heading = next(iter(named or headings), None)
        self._steps: dict[int, int] = {}
        above, steps = self.heading, 0
        while above is not None and above.tag not in ("html", None) and steps < 300:
            self._steps[above.mem_id] = steps
            above, steps = above.parent, steps + 1

    def steps(self, node: LexborNode) -> int:
        """Steps up from the heading to the first element that holds both."""
        above: LexborNode | None = node
        for _ in range(300):
            if above is None:
                return FAR
            if above.mem_id in self._steps:
                return FAR if above.tag == "body" else self._steps[above.mem_id]
            above = above.parent
        return FAR

    def nearest(self, nodes: list[LexborNode], together: int = 3) -> list[LexborNode]:
        """Of `nodes` the nearest to the heading, with those that stand in the same group."""
        if not nodes:
            return []
        steps = [self.steps(node) for node in nodes]
        first = nodes[steps.index(min(steps))]
        group = {first.mem_id}
        above, held = first.parent, None
        for _ in range(together):
            if above is None or above.tag in ("body", "html", "article", "main", None):
                break
            group.add(above.mem_id)
            held, above = above, above.parent
        return [node for node in nodes if node.mem_id == first.mem_id or (held and _within(node, held.mem_id, 6))]


def gather(page: LexborHTMLParser, clues: Clues) -> None:
    """Adds what the body of the page shows."""
    near = _Near(page, " ".join(_bare(text) for _, text in clues.found["title"]))
    _microdata(page, clues, near)
    _headings(page, clues)
    _people(page, clues, near)
    _times(page, clues, near)
    for node in page.css("article img[src], main img[src], [class*=article] img[src], [class*=entry] img[src]")[:30]:
        source = node.attributes.get("src") or ""
        if not _is_small(node) and not source.partition("?")[0].endswith((".svg", ".gif")):
            clues.add("image", "body.img", source)


def words(node: LexborNode) -> str:
    """The node's text, one line; elements side by side are words apart."""
    text = node.text(deep=True, separator="\x1f") or ""
    return " ".join(_GLUED.sub("", text[:20_000]).replace("\x1f", " ").split())


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _within(node: LexborNode, wanted: int, most: int) -> bool:
    above = node.parent
    for _ in range(most):
        if above is None:
            return False
        if above.mem_id == wanted:
            return True
        above = above.parent
    return False


def _microdata(page: LexborHTMLParser, clues: Clues, near: _Near) -> None:
    authors = []
    for node in page.css("[itemprop]")[:500]:
        marks = node.attributes
        for name in (marks.get("itemprop") or "").lower().split():
            about = _ITEMS.get(name)
            if about is None or ((node.tag == "meta" or name == "name") and not _in_article(node)):
                continue
            if about == "author":
                authors.append(node)
            elif about == "image":
                inner = node.css_first("[itemprop~=url], img[src]") if node.tag not in ("img", "meta", "link") else None
                clues.add("image", "item.image", _value(inner or node))
            else:
                clues.add(about, f"item.{name}", _value(node))
    shown = [node for node in authors if node.tag == "meta"] or near.nearest(
        [node for node in authors if not _is_aside(node)]
    )
    for node in shown:
        inner = node.css_first("[itemprop~=name]")
        clues.add("author", "item.author", _value(inner or node))


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
        if _HEADLINE.search(_mark(node)):
            clues.add("title", "h1.headline", words(node))
        clues.add("title", "h1.only" if len(headings) == 1 else "h1", words(node))
    for node in page.css("[class*=headline], [class*=entry-title], [class*=post-title], [class*=article-title]")[:5]:
        if node.tag in ("h2", "h3", "div", "span") and len(words(node)) <= MAX_SHORT:
            clues.add("title", "class.headline", words(node))
    for node in page.css("h2")[:1]:
        clues.add("title", "h2", words(node))


def _people(page: LexborHTMLParser, clues: Clues, near: _Near) -> None:
    groups: dict[str, list[LexborNode]] = {
        "rel.author": [],
        "class.name": [],
        "class.byline": [],
        "link.author": [],
        "text.by": [],
    }
    for node in page.css("[rel~=author]")[:30]:
        groups["rel.author"].append(node)
    for node in page.css("[class], [id]")[:MAX_NODES]:
        mark = _mark(node)
        if _NAME.search(mark):
            groups["class.name"].append(node)
        elif _BYLINE.search(mark):
            groups["class.byline"].append(node)
    for node in page.css("a[href]")[:MAX_NODES]:
        if _AUTHOR_PAGE.search(unquote(node.attributes.get("href") or "")):
            groups["link.author"].append(node)
    for node in page.css("p, span, div, em, i, strong, b, small, li, h3, h4, td")[:MAX_NODES]:
        text = node.text(deep=True) or ""
        if len(text) < MAX_SHORT and _BY.search(" ".join(text.split())):
            groups["text.by"].append(node)
    for evidence, nodes in groups.items():
        usable = [node for node in nodes if 1 < len(words(node)) <= MAX_SHORT and not _is_aside(node)]
        for node in near.nearest(usable):
            text = words(node)
            said = _BY.search(text) if evidence == "text.by" else None
            clues.add("author", evidence, text[said.end() :] if said else _linked(node) or text)
    for node in page.css("[data-author]")[:3]:
        clues.add("author", "data.author", node.attributes.get("data-author"))
    for node in page.css("address")[:3]:
        clues.add("author", "address", words(node)[:MAX_SHORT])


def _linked(node: LexborNode) -> str:
    """The names of links to authors inside a byline."""
    found = [words(link) for link in node.css("a[href]") if _AUTHOR_PAGE.search(link.attributes.get("href") or "")]
    return ", ".join(dict.fromkeys(filter(None, found)))


def _times(page: LexborHTMLParser, clues: Clues, near: _Near) -> None:
    times = [node for node in page.css("time")[:60] if not _is_aside(node)]
    for node in sorted(times, key=near.steps)[:10]:
        marks = node.attributes
        first = "pubdate" in marks or re.search(r"publi|posted|entry-date|created", _mark(node), re.I)
        late = re.search(r"updat|modif", _mark(node), re.I)
        evidence = "time.updated" if late else "time.published" if first else "time"
        evidence = "time.far" if near.steps(node) == FAR and near.heading is not None else evidence
        clues.add("date", evidence, marks.get("datetime") or words(node)[:MAX_SHORT])
    marked: list[LexborNode] = []
    loose: list[LexborNode] = []
    for node in page.css(
        "p, span, div, em, i, strong, b, small, li, h2, h3, h4, h5, h6, td, dd, abbr, a, font, center, section, header"
    )[:MAX_NODES]:
        text = node.text(deep=True) or ""
        if len(text) > 4 * MAX_SHORT or not _DAY.search(text):
            continue
        if len(words(node)) <= MAX_SHORT and not _is_aside(node):
            named = _DATE.search(_mark(node))
            if named or len(text) <= MAX_LINE:
                (marked if named else loose).append(node)
    for evidence, nodes in (("class.date", marked), ("text", loose)):
        for node in sorted(nodes, key=near.steps)[:20]:
            clues.add("date", evidence, words(node))
    for node in page.css("abbr[title]")[:5]:
        clues.add("date", "abbr", node.attributes.get("title"))


def _mark(node: LexborNode) -> str:
    marks = node.attributes
    return f"{marks.get('class') or ''} {marks.get('id') or ''}".strip()


def _is_aside(node: LexborNode) -> bool:
    """Whether it belongs to comments, teasers or the page's frame."""
    above: LexborNode | None = node
    for _ in range(8):
        if above is None or above.tag in ("body", "html", None):
            return False
        if above.tag in ("aside", "footer", "nav") or _ASIDE.search(_mark(above)):
            return True
        above = above.parent
    return False


def _is_small(node: LexborNode) -> bool:
    sizes = [node.attributes.get(key) or "" for key in ("width", "height")]
    return any(size.isdecimal() and int(size) < 150 for size in sizes)
