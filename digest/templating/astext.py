"""A text part made of HTML, for templates that bring none: every word, link and alternative text, in reading order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from digest.templating.filters import Links
from digest.templating.text import folded, wrapped

_UNSEEN = {"head", "style", "script", "title", "template", "noscript"}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "center", "dd", "div", "dl", "dt", "figure", "figcaption"),
    *("footer", "form", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tbody", "td"),
    *("th", "tr", "ul", "h1", "h2", "h3", "h4", "h5", "h6"),
}
_UNDERLINED = {"h1": "=", "h2": "-", "h3": "-"}
_HIDDEN = re.compile(r"(^|;)\s*(display\s*:\s*none|mso-hide\s*:\s*all)", re.IGNORECASE)


def as_text(html: str) -> str:
    """The text of `html` in lines of at most 76 columns; links are numbered, and listed at the end."""
    links = Links()
    root = LexborHTMLParser(html).body
    blocks = list(_Blocks(links).of(root)) if root is not None else []
    listed = [f"[{number}] {url}" for number, url in enumerate(links, 1)]
    parts = ["\n\n".join(blocks), *(["\n".join(listed)] if listed else [])]
    return "\n\n".join(part for part in parts if part) + "\n"


class _Blocks:
    """Gathers words until a block ends; a block becomes a paragraph."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._words: list[str] = []

    def of(self, node: LexborNode) -> Iterator[str]:
        """The paragraphs of `node`, wrapped."""
        yield from self._inside(node)
        yield from self._paragraph()

    def _inside(self, node: LexborNode) -> Iterator[str]:
        child = node.child
        while child is not None:
            if child.tag == "-text":
                self._words.append(child.text_content or "")
            elif child.tag == "br":
                self._words.append("\n")
            elif child.tag == "img":
                self._words.append(f" {child.attributes.get('alt') or ''} ")
            elif child.tag in _BLOCKS:
                yield from self._block(child)
            elif child.tag == "a":
                yield from self._link(child)
            elif not _is_unseen(child):
                yield from self._inside(child)
            child = child.next

    def _block(self, node: LexborNode) -> Iterator[str]:
        yield from self._paragraph()
        if _is_unseen(node):
            return
        if node.tag == "li":
            self._words.append("- ")
        yield from self._inside(node)
        yield from self._paragraph(_UNDERLINED.get(node.tag or "", ""))

    def _link(self, node: LexborNode) -> Iterator[str]:
        yield from self._inside(node)
        url = (node.attributes.get("href") or "").strip()
        if url and not url.startswith("#"):
            self._words.append(f" [{self._links.number(url)}] ")

    def _paragraph(self, underline: str = "") -> Iterator[str]:
        lines = [folded(line.replace("\xa0", " ")) for line in "".join(self._words).split("\n")]
        self._words.clear()
        said = wrapped("\n".join(line for line in lines if line and line != "-"))
        if said:
            widest = max(map(len, said.split("\n")))
            yield f"{said}\n{underline * widest}" if underline else said


def _is_unseen(node: LexborNode) -> bool:
    """Whether nobody reads it: the head, a hidden preheader; a part with links or images is shown to some reader."""
    if node.tag in _UNSEEN:
        return True
    hidden = bool(_HIDDEN.search(node.attributes.get("style") or ""))
    return hidden and node.tag != "a" and node.css_first("a[href], img[alt]") is None
