"""Who signs a page, as readers see it: by class, link and words, the nearer to the main heading the better."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from digest.gather.pages.clues import Clues
from digest.gather.pages.near import MAX_NODES, MAX_SHORT, Line, Near, mark, words

FARTHER = 2  # steps more than the nearest byline, of one that is another's
MAX_PATH = 100  # characters of the end of an address, that name an author's page

_BYLINE = re.compile(
    r"(?:^|[\s_-])(?:by-?line|byl|author|writer|autor|auteur|verfasser|redakteur|contributor)(?:s|in|[\s_-]|$)|"
    r"author[-_]?name|byline[-_]?name",
    re.I,
)
_NAME = re.compile(
    r"(?:author|byline|writer|autor|contributor)s?[-_]*(?:full[-_]*)?name|\bfn\b|(?:author|byline)[-_]*link", re.I
)
_USER = re.compile(r"(?:^|[\s_-])user-?name", re.I)
_AUTHOR_PAGE = re.compile(
    r"/(?:authors?|autor(?:en)?|auteurs?|writers?|contributors?|by|staff|profiles?|reporters?|journalists?|columnists?)"
    r"/[^/?#]+/?$",
    re.I,
)
_BY = re.compile(
    r"(?:^|(?i:posted|written|published|reported|beitrag|artikel|gastbeitrag|kommentar|kolumne|bericht|article|story|veröffentlicht|geschrieben|erstellt|verfasst|publié|publicado|escrito|interview|text|rédigé|écrit|scritto|redactado)"
    r"\s[^.]{0,40}?)(?<!\w)(?i:by|von|par|por|di|av|af|door)[:\s]+(?=[A-ZÀ-ŽА-Я])"
)
_SPOKEN = frozenset(["p", "span", "div", "em", "i", "strong", "b", "small", "li", "h3", "h4", "h5", "td"])


def gather(page: LexborHTMLParser, clues: Clues, near: Near, short: list[Line]) -> None:
    """Adds who signs; what stands farther from the heading than another byline, or nowhere near, as far."""
    groups = {
        evidence: near.nearest([node for node in nodes if _is_byline(node, near)])
        for evidence, nodes in _candidates(page, short).items()
    }
    steps = {evidence: near.steps(nodes[0]) for evidence, nodes in groups.items() if nodes}
    nearest = min(steps.values(), default=0)
    for evidence, nodes in groups.items():
        far = ".far" if nodes and steps[evidence] >= nearest + FARTHER else ""
        for node in nodes:
            text = words(node)
            said = _BY.search(text) if evidence == "text.by" else None
            clues.add("author", f"{evidence}{far}", text[said.end() :] if said else _linked(node) or text)
    for node in page.css("[data-author]")[:3]:
        clues.add("author", "data.author", node.attributes.get("data-author"))
    for node in page.css("address")[:3]:
        clues.add("author", "address", words(node)[:MAX_SHORT])


def _candidates(page: LexborHTMLParser, short: list[Line]) -> dict[str, list[LexborNode]]:
    found: dict[str, list[LexborNode]] = {"rel.author": page.css("[rel~=author]")[:30]}
    found |= {"class.name": [], "class.byline": [], "class.user": [], "link.author": [], "text.by": []}
    named = cache(_named)  # pages repeat their classes, and lines their texts in the elements around them
    for node in page.css("[class], [id]")[:MAX_NODES]:
        kind = named(mark(node))
        if kind:
            found[kind].append(node)
    for node in page.css("a[href]")[:MAX_NODES]:
        if _leads_to_author(node):
            found["link.author"].append(node)
    says_by = cache(_says_by)
    for node, text in short:
        if node.tag in _SPOKEN and len(text) < MAX_SHORT and says_by(text):
            found["text.by"].append(node)
    return found


def _named(marked: str) -> str:
    if _NAME.search(marked):
        return "class.name"
    return "class.byline" if _BYLINE.search(marked) else "class.user" if _USER.search(marked) else ""


def _leads_to_author(link: LexborNode) -> bool:
    path = (link.attributes.get("href") or "").partition("?")[0].partition("#")[0]
    return bool(_AUTHOR_PAGE.search(unquote(path[-MAX_PATH:])))


def _says_by(text: str) -> bool:
    return bool(_BY.search(" ".join(text.split())))


def _is_byline(node: LexborNode, near: Near) -> bool:
    return 1 < len(words(node)) <= MAX_SHORT and not near.is_aside(node)


def _linked(node: LexborNode) -> str:
    """The names of links to authors inside a byline."""
    found = [words(link) for link in node.css("a[href]") if _leads_to_author(link)]
    return ", ".join(dict.fromkeys(filter(None, found)))
