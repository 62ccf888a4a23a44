"""Where a site's feed may be: what its page names, what its maker is known for, the usual places. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from digest.gather.clean import markup_text, plain_text
from digest.gather.entries import Feed
from digest.gather.feeds.charset import decode
from digest.gather.kinds.page import too_much
from digest.gather.kinds.wordpress import posts_address
from digest.gather.urls import host, resolve, web

USUAL = (
    "/feed", "/rss.xml", "/feed.xml", "/atom.xml", "/index.xml", "/rss", "/feed.json", "/feeds/feed.rss",
)  # fmt: skip
MAPS = ("/news-sitemap.xml", "/sitemap_news.xml", "/sitemap.xml")
_TYPES = {
    "application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml", "application/rss",
    "application/atom", "text/rss", "text/atom", "application/x-rss+xml",
}  # fmt: skip
_MAYBE = {"application/json", "application/xml", "text/xml"}  # of a feed only if the name says so, too
_FEEDISH = re.compile(r"(?:^|[/._?=-])(?:rss|atom|feeds?|rdf)(?:$|[/._?=&-])|\.(?:rss|atom|rdf)$", re.I)
_COMMENTS = re.compile(r"comment|kommentar|comentario|commentaire|repl(?:y|ies)\b", re.I)
_API = re.compile(r"<([^<>]+)>\s*;[^,<]*\brel\s*=\s*\"?https://api\.w\.org/\"?", re.I)
_SAME = 0.8  # of the smaller one's pages in the larger one: the same articles in another dialect


@dataclass(frozen=True)
class Candidate:
    """A place that may be a source."""

    url: str
    type: str | None = "feed"  # None: as it shows when it is read
    title: str = ""


@dataclass(frozen=True)
class Named:
    """What a page names: feeds by its head, best first; by its links; and its WordPress API, if it has one."""

    feeds: tuple[Candidate, ...] = ()
    links: tuple[Candidate, ...] = ()
    posts: Candidate | None = None


def named(body: bytes, url: str, content_type: str | None = None, link: str | None = None) -> Named:
    """What the HTML page at `url` names; `link` is its Link header. What is too large or deep to be parsed, nothing."""
    posts = _API.search(link or "")
    text, _ = decode(body, content_type)
    if too_much(text):
        return Named(posts=_posts(posts[1] if posts else "", url))
    tree = LexborHTMLParser(text)
    based = tree.css_first("base[href]")
    base = (resolve(url, _attribute(based, "href")) if based else "") or url
    api = tree.css_first('link[rel="https://api.w.org/"]')
    found = posts[1] if posts else _attribute(api, "href") if api else ""
    feeds = list(_alternates(tree, base))
    links = [one for one in _links(tree, base) if one.url not in {feed.url for feed in feeds}]
    return Named(tuple(_ranked(feeds, url)), tuple(_ranked(links, url)), _posts(found, base))


def _posts(address: str, base: str) -> Candidate | None:
    found = web(resolve(base, address)) if address else ""
    return Candidate(posts_address(found), "wordpress") if found else None


def _alternates(tree: LexborHTMLParser, base: str) -> Iterator[Candidate]:
    for node in tree.css("link[rel][href]")[:500]:
        relations = _attribute(node, "rel").lower().split()
        type_ = _attribute(node, "type").lower().partition(";")[0].strip()
        address = web(resolve(base, _attribute(node, "href").replace("feed://", "http://", 1)))
        meant = type_ in _TYPES or (type_ in _MAYBE and _FEEDISH.search(address)) or (not type_ and "feed" in relations)
        if address and meant and ("alternate" in relations or "feed" in relations):
            yield Candidate(address, "feed", plain_text(_attribute(node, "title"), 200))


def _links(tree: LexborHTMLParser, base: str) -> Iterator[Candidate]:
    for node in tree.css("a[href]")[:5_000]:
        address = web(resolve(base, _attribute(node, "href")))
        parts = urlsplit(address)
        words = plain_text(markup_text(node.inner_html or ""), 200)
        if address and (_FEEDISH.search(f"{parts.path}?{parts.query}") or words.lower() in ("rss", "atom", "rss feed")):
            yield Candidate(address.partition("#")[0], "feed", words)


def _ranked(found: Sequence[Candidate], site: str) -> list[Candidate]:
    """Each address once, the likeliest main feed first: of articles, of this site, near its root, named first."""

    def order(candidate: Candidate) -> tuple[bool, bool, int]:
        path = urlsplit(candidate.url).path
        is_comments = bool(_COMMENTS.search(candidate.title) or _COMMENTS.search(path))
        return is_comments, not _same_site(candidate.url, site), path.strip("/").count("/")

    once: dict[str, Candidate] = {}
    for candidate in found:
        once.setdefault(candidate.url, candidate)
    return sorted(once.values(), key=order)[:20]


def _same_site(one: str, other: str) -> bool:
    return host(one).removeprefix("www.") == host(other).removeprefix("www.")


def known_form(url: str) -> Candidate | None:
    """The feed of a page at one of the large hosts, whose form is known; None elsewhere."""
    parts = urlsplit(url)
    name = (parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("old.")
    steps = [step for step in parts.path.split("/") if step]
    path = _at_large_hosts(name, steps, parts.query)
    if path:
        return Candidate(f"https://{parts.hostname}{path}")
    if name.endswith(".substack.com") or (name.endswith(".medium.com") and not steps):
        return Candidate(f"https://{name}/feed")
    if name.endswith((".wordpress.com", ".blogspot.com")):
        tail = "/feeds/posts/default" if name.endswith(".blogspot.com") else "/feed/"
        return Candidate(f"https://{name}{tail}")
    if name.endswith(".tumblr.com"):
        return Candidate(f"https://{name}/rss")
    return None


def _at_large_hosts(name: str, steps: Sequence[str], query: str) -> str:
    first, second = ([*steps, "", ""])[:2]
    if name == "youtube.com" and first == "channel" and second:
        return f"/feeds/videos.xml?channel_id={second}"
    if name == "youtube.com" and (found := re.search(r"(?:^|&)list=([\w-]+)", query)):
        return f"/feeds/videos.xml?playlist_id={found[1]}"
    if name == "medium.com" and first and first != "feed":
        return f"/feed/{first}"
    if name == "reddit.com" and first in ("r", "u", "user") and second:
        return f"/{first}/{second}/.rss"
    if name == "github.com" and second and not steps[-1].endswith(".atom"):
        return f"/{first}/{second}/{'commits' if 'commits' in steps else 'releases'}.atom"
    return ""


def usual_places(url: str) -> list[Candidate]:
    """The usual addresses of feeds: under the page's own path if it has one, then at the root of its site."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.rstrip("/")
    own = [Candidate(f"{root}{path}/feed")] if path and "." not in path.rpartition("/")[2] else []
    return [*own, *(Candidate(root + place) for place in USUAL)]


def usual_maps(url: str, robots: str = "") -> list[Candidate]:
    """The site's sitemaps: those that its robots.txt names, one of news first; then the usual addresses."""
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    lines = re.findall(r"^[ \t]*sitemap[ \t]*:[ \t]*(\S{1,2000})", robots[:500_000], re.I | re.M)
    told = list(dict.fromkeys(filter(None, (web(resolve(f"{root}/", line)) for line in lines))))
    told.sort(key=lambda address: "news" not in address.lower())
    usual = [root + place for place in MAPS if root + place not in told]
    # Where robots.txt names some, only a news sitemap that it forgot is worth a request.
    return [Candidate(address, "sitemap") for address in [*told, *(usual[:1] if told else usual)]]


def same_articles(one: Feed, other: Feed) -> bool:
    """Whether two feeds tell of the same pages, as RSS and Atom of one site do."""
    a, b = ({entry.canonical_url for entry in feed.entries} for feed in (one, other))
    return bool(a and b) and len(a & b) >= _SAME * min(len(a), len(b))


def is_of_comments(candidate: Candidate) -> bool:
    """Whether it is named as a feed of what readers say."""
    return bool(_COMMENTS.search(candidate.title) or _COMMENTS.search(urlsplit(candidate.url).path))


def _attribute(node: LexborNode, name: str) -> str:
    return (node.attributes.get(name) or "").strip()
