"""Where things stand on a page: how far from the main heading, and whether in its frame, teasers or comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from selectolax.lexbor import LexborHTMLParser, LexborNode

FAR = 99  # steps from the main heading, of what stands nowhere near
BESIDE = 3  # steps from it, of what is the heading's own
MAX_HEADINGS = 40
MAX_NODES = 8_000  # that are looked at
MAX_SHORT = 200  # characters of what is a byline or a date, and no paragraph
MAX_MARK = 400  # characters of its classes, and of its id, that are looked at
MAX_RAW = 4 * MAX_SHORT  # the same before spaces are folded
LONG = 10  # letters of a heading that is more than a site's name

_COMMENTS = re.compile(r"\bcomment", re.I)
_ASIDE = re.compile(
    r"\b(?:related|(?<!has-)(?<!no-)(?<!with-)(?<!double-)sidebar|widget|footer|recommend|popular|trending|teaser|promo|"
    r"newsletter)",
    re.I,
)
_OF_AUTHOR = re.compile(r"author|byline|published|dateline", re.I)
_OWN_FOOTER = re.compile(r"entry|post|article|byline|author|meta|(?:^|[\s_-])by(?:[\s_-]|$)", re.I)
_EASTERN = r"\u3000-\u30ff\u3400-\u9fff\uff00-\uff65"  # scripts that put no spaces between words
_GLUED = re.compile(rf"(?<!\s)\x1f\s*(?=[:;,.!?)\]’'»”])|(?<=[{_EASTERN}])\x1f+(?=[{_EASTERN}])")
_LINES = (
    "p, span, div, em, i, strong, b, small, li, h1, h2, h3, h4, h5, h6, td, dd, abbr, a, font, center, section, header"
)

Line = tuple[LexborNode, str]  # an element and how its text begins, one character more than MAX_RAW at most


class Near:
    """How far from the main heading something stands."""

    def __init__(self, page: LexborHTMLParser, titles: Iterable[str]) -> None:
        self.heading = _main_heading(page, " ".join(bare(text) for text in titles))
        self._steps: dict[int, int] = {}
        self._named = cache(_named)  # what many stand in is asked for each of them
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

    def is_aside(self, node: LexborNode) -> bool:
        """Whether it belongs to comments, teasers or the page's frame: to nothing that holds the main heading, too."""
        own = self.steps(node) <= BESIDE
        above: LexborNode | None = node
        for _ in range(8):
            if above is None or above.tag in ("body", "html", None) or above.mem_id in self._steps:
                return False
            of_article, of_comments, of_teaser = self._named(mark(above))
            if above.tag in ("aside", "footer", "nav") and not of_article:
                return True
            if of_comments or (of_teaser and not own):
                return True
            if above.tag in ("article", "main"):
                return False
            above = above.parent
        return False


def _main_heading(page: LexborHTMLParser, titles: str) -> LexborNode | None:
    """The longest heading that the page's titles repeat, else the first."""
    first = [node for node in page.css("h1")[:20] if words(node)]
    lower = page.css("h2, h3")[:MAX_HEADINGS]
    named = [(len(text), node) for node in first + lower if (text := bare(words(node))) and text in titles]
    long = [row for row in named if row[0] >= LONG]
    if long:
        return max(long, key=lambda row: row[0])[1]
    return next(iter([node for _, node in named] or first or lower or page.css("[class*=headline]")[:1]), None)


def _named(marked: str) -> tuple[bool, bool, bool]:
    """Whether classes and id are those of an article's own footer, of comments, of a teaser."""
    of_teaser = bool(_ASIDE.search(marked)) and not _OF_AUTHOR.search(marked)
    return bool(_OWN_FOOTER.search(marked)), bool(_COMMENTS.search(marked)), of_teaser


def lines(page: LexborHTMLParser) -> list[Line]:
    """Every element that may be a line of its own, in the order of the page."""
    return [(node, (node.text(deep=True) or "")[: MAX_RAW + 1]) for node in page.css(_LINES)[:MAX_NODES]]


def words(node: LexborNode) -> str:
    """The node's text, one line; elements side by side are words apart."""
    text = node.text(deep=True, separator="\x1f") or ""
    return " ".join(_GLUED.sub("", text[:20_000]).replace("\x1f", " ").split())


def bare(text: str) -> str:
    """Its letters and digits alone, small."""
    return re.sub(r"[\W_]+", "", text.casefold())


def mark(node: LexborNode) -> str:
    """Its classes and id."""
    marks = node.attributes
    return f"{(marks.get('class') or '')[:MAX_MARK]} {(marks.get('id') or '')[:MAX_MARK]}".strip()


def _within(node: LexborNode, wanted: int, most: int) -> bool:
    above = node.parent
    for _ in range(most):
        if above is None:
            return False
        if above.mem_id == wanted:
            return True
        above = above.parent
    return False
