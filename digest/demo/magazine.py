"""An invented magazine of foreign affairs: feeds, pages and pictures, made from magazine.toml, served on loopback."""

from __future__ import annotations

import hashlib
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from digest.demo import pictures

_DC = "http://purl.org/dc/elements/1.1/"
_MEDIA = "http://search.yahoo.com/mrss/"
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True)
class Piece:
    """An article, or a short note of the blog."""

    slug: str
    title: str
    dek: str
    authors: tuple[str, ...]
    published: datetime
    kind: str = ""
    section: str = ""
    organisation: str = ""
    republished: str = ""
    picture: tuple[str, str, int] | None = None  # scene, palette, seed
    alt: str = ""
    credit: str = ""


@dataclass(frozen=True)
class Magazine:
    """What there is to read."""

    title: str
    blog: str
    articles: tuple[Piece, ...]
    notes: tuple[Piece, ...]


def magazine(now: datetime) -> Magazine:
    """The magazine as it stands at `now`: about thirty pieces of the last ten days."""
    raw = tomllib.loads((files("digest.demo") / "magazine.toml").read_text())
    return Magazine(
        raw["title"],
        raw["blog"],
        tuple(_piece(one, now) for one in raw["articles"]),
        tuple(_piece(one, now) for one in raw["notes"]),
    )


def _piece(raw: dict[str, Any], now: datetime) -> Piece:
    published = (now - timedelta(hours=raw.pop("age_h"))).replace(microsecond=0)
    scene = raw.pop("picture", None)
    return Piece(
        **{**raw, "authors": tuple(raw["authors"])}, published=published, picture=tuple(scene) if scene else None
    )


def rss(of: Magazine, base: str) -> bytes:
    """The articles as RSS 2.0, with bylines, kickers and pictures with their credit."""
    feed = Element("rss", {"version": "2.0", "xmlns:dc": _DC, "xmlns:media": _MEDIA})
    channel = SubElement(feed, "channel")
    for name, text in (("title", of.title), ("link", f"{base}/"), ("description", "A sample."), ("language", "en")):
        SubElement(channel, name).text = text
    for piece in of.articles:
        _item(SubElement(channel, "item"), piece, base)
    return bytes(tostring(feed, encoding="utf-8", xml_declaration=True))


def _item(item: Element, piece: Piece, base: str) -> None:
    url = f"{base}/{piece.slug}"
    told = [f"Republished with permission of {piece.republished}."] if piece.republished else []
    summary = "".join(f"<p>{escape(text)}</p>" for text in [piece.dek, *told])
    plain = {"title": piece.title, "link": url, "description": summary, "pubDate": format_datetime(piece.published)}
    for name, text in plain.items():
        SubElement(item, name).text = text
    SubElement(item, "guid", {"isPermaLink": "false"}).text = f"meridian:{piece.slug}"
    SubElement(item, "category").text = f"{piece.kind} | {piece.section}"
    for author in piece.authors:
        SubElement(item, "dc:creator").text = f"{author} ({piece.organisation})" if piece.organisation else author
    if piece.picture:
        size = {"width": str(pictures.WIDTH // pictures.STEP), "height": str(pictures.HEIGHT // pictures.STEP)}
        shown = SubElement(item, "media:content", {"url": f"{url}.png", "medium": "image", "type": "image/png", **size})
        SubElement(shown, "media:description").text = piece.alt
        SubElement(shown, "media:credit").text = piece.credit


def atom(of: Magazine, base: str) -> bytes:
    """The short notes as Atom."""
    feed = Element("feed", {"xmlns": _ATOM, "xml:lang": "en"})
    SubElement(feed, "title").text = of.blog
    SubElement(feed, "id").text = "tag:meridian.example,2026:notes"
    SubElement(feed, "updated").text = max(note.published for note in of.notes).isoformat()
    for note in of.notes:
        entry = SubElement(feed, "entry")
        SubElement(entry, "title").text = note.title
        SubElement(entry, "id").text = f"tag:meridian.example,2026:{note.slug}"
        SubElement(entry, "link", {"href": f"{base}/{note.slug}"})
        SubElement(entry, "published").text = SubElement(entry, "updated").text = note.published.isoformat()
        SubElement(entry, "summary").text = note.dek
        for author in note.authors:
            SubElement(SubElement(entry, "author"), "name").text = author
    return bytes(tostring(feed, encoding="utf-8", xml_declaration=True))


def page(piece: Piece) -> bytes:
    """The page of a piece, as much of it as a sample needs."""
    by = escape(" and ".join(piece.authors))
    title, dek = escape(piece.title), escape(piece.dek)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    return f"{head}<h1>{title}</h1><p>{dek}</p><p>By {by}</p>".encode()


@contextmanager
def served(of: Magazine) -> Iterator[str]:
    """The magazine on a free port of loopback while the block runs; gives its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    base = f"http://127.0.0.1:{server.server_address[1]}"
    server.shown = _shown(of, base)  # type: ignore[attr-defined]  # the handler finds it here
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="magazine")
    thread.start()
    try:
        yield base
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _shown(of: Magazine, base: str) -> dict[str, tuple[str, Callable[[], bytes]]]:
    """Path -> type and body; pictures are drawn when they are asked for."""
    paths: dict[str, tuple[str, Callable[[], bytes]]] = {
        "/feed.xml": ("application/rss+xml", lambda: rss(of, base)),
        "/notes.xml": ("application/atom+xml", lambda: atom(of, base)),
        "/logo.png": ("image/png", pictures.logo),
    }
    for piece in (*of.articles, *of.notes):
        paths[f"/{piece.slug}"] = ("text/html; charset=utf-8", lambda piece=piece: page(piece))  # type: ignore[misc]
        if piece.picture:
            paths[f"/{piece.slug}.png"] = ("image/png", lambda scene=piece.picture: pictures.picture(*scene))  # type: ignore[misc]
    return paths


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """A page, feed or picture; 304 for what the asker has."""
        kind, body = self.server.shown.get(self.path, ("text/plain", None))  # type: ignore[attr-defined]
        content = body() if body else b"nothing here"
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        unchanged = self.headers.get("If-None-Match") == etag
        self.send_response(404 if body is None else 304 if unchanged else 200)
        for name, value in (("Content-Type", kind), ("ETag", etag), ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        if not unchanged:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives it
        """Say nothing."""
