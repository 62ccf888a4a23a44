"""The last look at a mail's HTML: a deny-list over the finished document (A-15, S-D5)."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

_TAGS = {"script", "form", "iframe", "object", "embed", "link", "base", "input", "button", "svg", "video", "audio"}
_SCHEMES = ("http://", "https://", "mailto:", "tel:", "#")
_ADDRESSES = {"href", "src", "action", "formaction", "background", "poster", "data", "srcset"}


class Document(HTMLParser):
    """A finished HTML document as its start tags, its links with their words, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.links: list[tuple[str, str]] = []  # (href, words and alt texts)
        self.text = ""
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the tag; a link starts to gather its words."""
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag in {"style", "title", "script"}:
            self._inside.append(tag)
        if tag == "a" and "href" in attributes:
            self.links.append((attributes["href"], ""))
            self._inside.append(tag)
        if tag == "img":
            self._say(attributes.get("alt", ""))

    def handle_endtag(self, tag: str) -> None:
        """Leave the tag that was entered last under this name."""
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        """Gather text that is seen."""
        if not self._inside or self._inside[-1] == "a":
            self.text += data
            self._say(data)

    def _say(self, words: str) -> None:
        if self._inside and self._inside[-1] == "a":
            href, said = self.links[-1]
            self.links[-1] = (href, said + words)


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
