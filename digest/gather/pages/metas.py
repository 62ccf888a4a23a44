"""What `<meta>`, `<link>` and `<title>` say: OpenGraph, article:*, Twitter, Dublin Core, Parsely, Sailthru and kin."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser

from digest.gather.pages.clues import Clues

# The name of a meta element (property, name, itemprop or http-equiv, in small letters) -> the fields it is a clue to.
_TELLS = {
    "og:title": "title", "twitter:title": "title", "dc.title": "title", "dcterms.title": "title", "dc:title": "title",
    "dcterm:title": "title", "parsely-title": "title", "sailthru.title": "title", "citation_title": "title",
    "headline": "title", "title": "title", "hdl": "title", "fb_title": "title", "weibo:article:title": "title",
    "weibo:webpage:title": "title", "bt:headline": "title",
    "author": "author", "article:author": "author", "article:author_name": "author", "authors": "author",
    "dc.creator": "author", "dcterms.creator": "author", "dc:creator": "author", "dcterm:creator": "author",
    "parsely-author": "author", "sailthru.author": "author", "citation_author": "author", "byl": "author",
    "rbauthors": "author", "og:author": "author", "og:article:author": "author", "creator": "author",
    "dc.contributor": "author", "cxenseparse:author": "author", "clmst": "author",
    "bt:author": "author", "article-author": "author", "shareaholic:article_author_name": "author",
    "article:published_time": "date", "og:published_time": "date", "og:article:published_time": "date",
    "datepublished": "date", "date": "date", "dc.date": "date", "dc.date.issued": "date", "dcterms.date": "date",
    "dc:date": "date", "dcterms.created": "date", "dcterms.issued": "date", "dc.date.created": "date",
    "dc:created": "date", "parsely-pub-date": "date", "sailthru.date": "date", "pubdate": "date",
    "publishdate": "date", "publish-date": "date", "publish_date": "date", "publication_date": "date",
    "published-date": "date", "published_date": "date", "citation_publication_date": "date", "citation_date": "date",
    "cxenseparse:recs:publishtime": "date", "article:post_date": "date", "article_date_original": "date",
    "originalpublicationdate": "date", "ptime": "date", "displaydate": "date", "rnews:datepublished": "date",
    "shareaholic:article_published_time": "date", "last-modified": "date", "og:updated_time": "date",
    "article:modified_time": "date", "datecreated": "date", "datemodified": "date", "bt:pubdate": "date",
    "og:pubdate": "date", "created": "date", "dateupdate": "date", "vr:published_time": "date",
    "gwa_contentdate": "date", "article.published": "date", "article.created": "date", "pdate": "date",
    "revised": "date", "article-publication-date": "date", "publish": "date", "lastmodified": "date",
    "og:image": "image", "og:image:url": "image", "og:image:secure_url": "image", "twitter:image": "image",
    "twitter:image:src": "image", "sailthru.image.full": "image", "sailthru.image": "image",
    "parsely-image-url": "image", "image": "image", "thumbnail": "image", "thumbnailurl": "image",
    "og:image:alt": "image_alt", "twitter:image:alt": "image_alt",
    "og:description": "description", "twitter:description": "description", "description": "description",
    "dc.description": "description", "dcterms.description": "description", "dc:description": "description",
    "dcterm:description": "description", "sailthru.description": "description",
    "parsely-summary": "description", "weibo:article:description": "description",
    "weibo:webpage:description": "description",
    "article:section": "section", "parsely-section": "section", "sailthru.section": "section",
    "cxenseparse:recs:category": "section", "articlesection": "section", "og:section": "section",
    "og:locale": "language", "content-language": "language", "language": "language", "dc.language": "language",
    "dcterms.language": "language", "dc:language": "language", "inlanguage": "language",
    "og:url": "canonical", "twitter:url": "canonical",
    "og:site_name": "site", "application-name": "site", "twitter:app:name:iphone": "site", "cre": "site",
    "al:ios:app_name": "site", "publisher": "site", "copyright": "copyright",
}  # fmt: skip
_WRITTEN_BY = re.compile(
    r"\s*(?:(?:written|posted|published)\s+by|by|authors?|(?:(?:verfasst|geschrieben)\s+)?von|autor(?:in)?|auteur|"
    r"(?:(?:écrit|rédigé)\s+)?par|(?:(?:escrito|publicado)\s+)?por|(?:scritto\s+)?da|di|(?:geschreven\s+)?door|"
    r"(?:skrevet|skriven)\s+av|av|(?:napisane\s+)?przez)\s*(?::\s*)?$",
    re.I,
)
_NAMES = ("property", "name", "itemprop", "http-equiv")


def gather(page: LexborHTMLParser, clues: Clues) -> None:
    """Adds what the head of the page says."""
    _metas(page, clues)
    for node in page.css("link[rel]"):
        marks = node.attributes
        rel = (marks.get("rel") or "").lower().split()
        if "canonical" in rel:
            clues.add("canonical", "link.canonical", marks.get("href"))
        elif "image_src" in rel:
            clues.add("image", "link.image_src", marks.get("href"))
    title = page.css_first("title")
    if title is not None:
        clues.add("title", "title", title.text())
    root = page.css_first("html")
    if root is not None:
        clues.add("language", "html.lang", root.attributes.get("lang") or root.attributes.get("xml:lang"))


def _metas(page: LexborHTMLParser, clues: Clues) -> None:
    labels: dict[str, str] = {}
    for node in page.css("meta"):
        marks = node.attributes
        content = marks.get("content") or (marks.get("value") if "content" not in marks else None)
        for key in _NAMES:
            for name in (marks.get(key) or "").lower().split():
                about = _TELLS.get(name)
                if about:
                    clues.add(about, f"{'item' if key == 'itemprop' else 'meta'}.{name}", content)
                elif name.startswith(("twitter:label", "twitter:data")):
                    labels.setdefault(name, content or "")
    for number in "12":
        if _WRITTEN_BY.match(labels.get(f"twitter:label{number}", "")):
            clues.add("author", "meta.twitter:data", labels.get(f"twitter:data{number}"))
