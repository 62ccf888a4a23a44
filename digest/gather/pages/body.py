"""The article's own text: the element whose paragraphs weigh most, without what stands beside it."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from digest.gather.pages.near import mark

MAX_PARAGRAPHS = 2_000
MAX_LOOKED_AT = 8_000
MAX_QUOTED = 5  # quotes of quotes that are weighed each for itself
MAX_TOLD = 40  # elements deep in the article, of which those beside it are told apart
MAX_FORM = 1_000  # characters of a form, a figure or an aside that is none
_RUNNING = ("p", "pre", "blockquote")
_COMMENTS = re.compile(r"\b(?:comments?|commentlist|disqus|replies|reply)\b", re.I)
_TEXT = frozenset(["p", "pre", "blockquote", "li", "h2", "h3", "h4", "h5", "h6", "td"])
_DROPPED = (
    "nav, aside, footer, form, button, select, script, style, noscript, iframe, figcaption, figure, template, "
    "header nav, [hidden], [aria-hidden=true]"
)
_BESIDE = re.compile(
    r"\b(?:comments?|related|share|sharing|social|sidebar|widget|newsletter|subscribe|promo|advert\w*|ads?|recommend\w*|"
    r"popular|trending|breadcrumbs?|byline|caption|credit|tags?|author-?bio|bio|footer|menu|nav|more-?on|read-?more|outbrain|taboola|"
    r"disclaimer|cookie\w*|signup|meta|toolbar|pagination|hidden|teaser|disqus)\b",
    re.I,
)


def paragraphs(page: LexborHTMLParser) -> tuple[str, ...]:
    """The paragraphs of the article, in order; none where the page has no running text. Changes the tree."""
    page_body = page.body
    if page_body is None:
        return ()
    for node in page.css(_DROPPED):
        if node.tag not in ("form", "figure", "aside") or len(_words(node, 20 * MAX_FORM)) < MAX_FORM:
            node.decompose()  # a form may be the whole page
    scores: dict[int, float] = {}
    nodes: dict[int, LexborNode] = {}
    for node in page.css("p, pre, blockquote, div, td, section, article")[:MAX_LOOKED_AT]:
        if node.tag in _RUNNING and _is_quoted_again(node):
            continue
        size = _weight(node) if node.tag in _RUNNING else _own_weight(node)
        if not size:
            continue
        if _in_comments(node):
            size *= 0.1
        if node.tag not in _RUNNING:
            nodes[node.mem_id] = node
            scores[node.mem_id] = scores.get(node.mem_id, 0.0) + size
        share = 1.0
        above = node.parent
        for _ in range(3):
            if above is None or above.tag in ("html", None):
                break
            nodes[above.mem_id] = above
            scores[above.mem_id] = scores.get(above.mem_id, 0.0) + size * share
            share *= 0.5
            above = above.parent
    if not scores:
        return _loose(page_body)
    best = nodes[max(scores, key=lambda key: scores[key] * (0.2 if _BESIDE.search(_mark(nodes[key])) else 1))]
    return tuple(_blocks(best))[:MAX_PARAGRAPHS]


def _is_quoted_again(node: LexborNode) -> bool:
    """Whether it stands in so many others that weighing it, too, would cost the square of their number."""
    others, above = 0, node.parent
    while above is not None and others < MAX_QUOTED:
        others += above.tag in _RUNNING
        above = above.parent
    return others == MAX_QUOTED


def _own_weight(node: LexborNode) -> float:
    """Of an element that is no paragraph: the weight of the text that stands in it bare, between line breaks."""
    bare = [
        " ".join((child.text(deep=False) or "").split())
        for child in node.iter(include_text=True)
        if child.tag == "-text"
    ]
    return sum(1 + text.count(",") + min(len(text) / 100, 5) for text in bare if len(text) >= 40)


def _in_comments(node: LexborNode) -> bool:
    above: LexborNode | None = node
    for _ in range(8):
        if above is None or above.tag in ("body", "html", None):
            return False
        if _COMMENTS.search(_mark(above)):
            return True
        above = above.parent
    return False


def _weight(node: LexborNode) -> float:
    text = _words(node)
    if len(text) < 25:
        return 0.0
    linked = sum(len(_words(link)) for link in node.css("a"))
    return 0.0 if linked > 0.5 * len(text) else 1 + text.count(",") + min(len(text) / 100, 5)


def _blocks(node: LexborNode) -> list[str]:
    found: list[str] = []
    loose: list[str] = []

    def flush() -> None:
        text = " ".join(" ".join(loose).split())
        if text:
            found.append(text)
        loose.clear()

    def walk(at: LexborNode, depth: int) -> None:
        for child in at.iter(include_text=True):
            if child.tag == "-text":
                loose.append(child.text(deep=False) or "")
            elif child.tag == "br":
                flush()
            elif child.tag in _BLOCK:
                flush()
                if depth < 200 and (depth >= MAX_TOLD or not _is_beside(child)):
                    walk(child, depth + 1)
                flush()
            else:
                loose.append(child.text(deep=True) or "")

    walk(node, 0)
    flush()
    return found


_BLOCK = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "main",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "table",
        "tbody",
        "tr",
        "td",
        "th",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "dl",
        "dt",
        "dd",
        "center",
        "header",
    ]
)


def _is_beside(node: LexborNode) -> bool:
    if node.tag in ("p",):
        return False
    if _BESIDE.search(_mark(node)) and len(_words(node)) < 2_000:
        return True
    if node.tag in ("ul", "ol", "div", "section", "table", "h2", "h3", "h4"):
        text = _words(node)
        linked = sum(len(_words(link)) for link in node.css("a"))
        return bool(text) and linked > 0.6 * len(text)
    return False


def _loose(node: LexborNode) -> tuple[str, ...]:
    return tuple(text for text in _blocks(node) if len(text) >= 60)[:MAX_PARAGRAPHS]


def _mark(node: LexborNode) -> str:
    return re.sub(r"[_-]", " ", mark(node))


def _words(node: LexborNode, most: int | None = None) -> str:
    return " ".join((node.text(deep=True) or "")[:most].split())
