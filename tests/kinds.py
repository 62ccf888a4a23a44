"""One source of each kind, written for the tests: what a newsroom called the Harbour Post would serve."""

from __future__ import annotations

import json
from pathlib import Path

FEED = b"""<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>Harbour Post</title><item><title>Bridge closed for repairs</title><link>https://feed.example/bridge</link>
<dc:creator>Ida Berg</dc:creator><pubDate>Thu, 19 Nov 2026 08:00:00 GMT</pubDate>
<description>The bridge is shut until spring, the port authority says.</description></item></channel></rss>"""

NEWS = b"""<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"
        xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc>https://map.example/2026/11/ferry-strike</loc>
<n:news><n:publication><n:name>The Map &amp; Post</n:name><n:language>en-us</n:language></n:publication>
<n:publication_date>2026-11-19T09:30:00+01:00</n:publication_date><n:title>Ferry strike &#8211; day two</n:title>
<n:keywords>Ports, Labour</n:keywords></n:news>
<image:image><image:loc>/pictures/ferry.jpg</image:loc>
<image:caption>A ferry &lt;at&gt; rest</image:caption></image:image>
<image:image><image:loc>https://map.example/pictures/other.jpg</image:loc></image:image>
<lastmod>2026-11-19T12:00Z</lastmod></url></urlset>"""

PLAIN = b"""<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>https://map.example/</loc><lastmod>2026-11-20</lastmod></url>
<url><loc>https://map.example/about</loc></url>
<url><loc>https://map.example/2026/11/a-quiet-border</loc><lastmod>2026-11-18</lastmod></url>
<url><loc>https://map.example/2026/11/the-long-tide.html?a=1&amp;b=2</loc><lastmod>2026-11-19T10:00:00Z</lastmod></url>
</urlset>"""

PAGE = b"""<!doctype html><html lang="en"><head><title>Press room</title><base href="https://page.example/press/"></head>
<body><nav><a href="/">Home</a></nav>
<article><span class="tag">Harbours</span><h2><a href="dredging?utm_source=x">Dredging <em>begins</em> at dawn</a></h2>
<p>By our staff</p><p>Two ships will deepen the northern channel until the end of the winter.</p>
<time datetime="2026-11-19T06:00:00Z">yesterday</time><span class="byline">By Jo Doe and Max Roe</span>
<img src="data:image/gif;base64,R0lGOD" data-src="dredger.jpg" alt="A dredger" width="800" height="600"></article>
<article><h2><a href="/press/lights">Lights out on the pier</a></h2><time>18 November 2026</time></article>
<article><h2>No link here</h2></article></body></html>"""

POSTS = json.dumps(
    [
        {
            "id": 7,
            "date": "2026-11-19T10:00:00",
            "date_gmt": "2026-11-19T09:00:00",
            "modified_gmt": "2026-11-19T11:00:00",
            "guid": {"rendered": "https://press.example/?p=7"},
            "link": "https://press.example/tunnel/",
            "title": {"rendered": "Tunnel &#8220;too wet&#8221; &amp; late"},
            "excerpt": {"rendered": "<p>The tunnel will open a year later. [&hellip;]</p>\n"},
            "content": {"rendered": "<p>The tunnel will open a year later.</p><script>x()</script>"},
            "_embedded": {
                "author": [{"name": "Ann Low"}],
                "wp:featuredmedia": [
                    {
                        "source_url": "https://press.example/tunnel.jpg",
                        "alt_text": "The tunnel's mouth",
                        "caption": {"rendered": "<p>Photo: Bo Ek</p>\n"},
                        "media_details": {
                            "width": 6000,
                            "height": 4000,
                            "sizes": {
                                "large": {
                                    "source_url": "https://press.example/tunnel-1024.jpg",
                                    "width": 1024,
                                    "height": 683,
                                },
                                "thumbnail": {
                                    "source_url": "https://press.example/tunnel-150.jpg",
                                    "width": 150,
                                    "height": 150,
                                },
                            },
                        },
                    }
                ],
                "wp:term": [
                    [{"name": "Roads &amp; Rails", "slug": "roads", "taxonomy": "category"}],
                    [{"name": "tunnel", "slug": "tunnel", "taxonomy": "post_tag"}],
                ],
            },
        }
    ]
).encode()

NOTES = {
    "tides.md": """---
title: "Spring tides: what to expect"
date: 2026-11-19 07:00 +0100
authors: [Lu Ma, "Di Fo"]
description: A week of *high* water & low bridges.
image: {url: img/tide.png, alt: The quay, credit: Port Office}
section: Nature
tags: [tides, weather]
lang: en
---
# Spring tides: what to expect

The water **rises** on [Monday](/monday). <script>alert(1)</script>
""",
    "toml/crane.markdown": """+++
title = "A new crane"
date = 2026-11-18T08:00:00Z
slug = "the-crane"
+++
It lifts *ninety* tonnes.
""",
    "2026-11-17-plain-words.md": "Plain words\n===========\n\nWithout any front matter.\n",
    "draft.md": "---\ntitle: Not yet\ndraft: true\n---\nx\n",
}


def write_notes(folder: Path) -> Path:
    """The folder of notes, written to `folder`."""
    for name, text in NOTES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
