"""The last look at a mail's HTML: a deny-list over the finished document (A-15, S-D5)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from selectolax.lexbor import LexborHTMLParser, LexborNode

_TAGS = {
    *("script", "form", "iframe", "object", "embed", "link", "base", "input", "button", "svg", "video", "audio"),
    "template",  # what stands in it is none of the document's elements, and nobody looks at it
}
_UNSEEN = {"style", "title", "script"}
_SCHEMES = ("http://", "https://", "mailto:", "tel:", "#")
_ADDRESSES = {"href", "src", "action", "formaction", "background", "poster", "data", "srcset"}


class Document:
    """A finished HTML document, read as browsers read it: its elements, its links with their words, and its text."""

    def __init__(self, html: str) -> None:
        self._tree = LexborHTMLParser(html)

    @cached_property
    def tags(self) -> list[tuple[str, dict[str, str]]]:
        """Every element with its attributes, in the order of their start tags; those that a browser adds, too."""
        return [(node.tag or "", _attributes(node)) for node in self._tree.css("*")]

    @cached_property
    def links(self) -> list[tuple[str, str]]:
        """The href of every link, with its words and the alt texts of its images."""
        return [(_attributes(link)["href"], _words(link, alts=True)) for link in self._tree.css("a[href]")]

    @cached_property
    def text(self) -> str:
        """What is seen of it."""
        root = self._tree.root
        return _words(root) if root else ""


def _attributes(node: LexborNode) -> dict[str, str]:
    return {name: value or "" for name, value in node.attributes.items()}


def _words(of: LexborNode, *, alts: bool = False) -> str:
    said = []
    for node in of.traverse(include_text=True):
        if node.tag == "-text" and not (node.parent and node.parent.tag in _UNSEEN):
            said.append(node.text_content or "")
        elif alts and node.tag == "img":
            said.append(_attributes(node).get("alt", ""))
    return "".join(said)


def forbidden(document: Document, blanks: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What must not be in a mail, each as a sentence; `blanks` are addresses that are filled in later."""
    return tuple(dict.fromkeys(_found(document, blanks)))


def _found(document: Document, blanks: tuple[str, ...]) -> Iterator[str]:
    for tag, attributes in document.tags:
        if tag in _TAGS:
            yield f"the HTML has a <{tag}>, which mail readers refuse"
        if tag.startswith("mj-"):
            yield f"the HTML has a raw <{tag}>: MJML did not understand it"
        if tag == "meta" and attributes.get("http-equiv", "").lower() == "refresh":
            yield "the HTML has a <meta> that leads elsewhere"
        for name, value in attributes.items():
            if name.startswith("on"):
                yield f"the HTML has a script in the attribute {name} of <{tag}>"
            if name in _ADDRESSES and not value.lower().startswith(_SCHEMES) and value not in blanks:
                yield f"the HTML has an address that is not a web or mail address in <{tag} {name}>: {value[:40]!r}"
