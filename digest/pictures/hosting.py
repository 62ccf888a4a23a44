"""An issue's content with our own addresses where it shows pictures. Values in, values out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape

from digest.compose.content import ArticleContent, IssueContent, Picture, Sponsor, articles


@dataclass(frozen=True)
class Hosted:
    """A picture of ours."""

    url: str
    width: int
    height: int


def urls(content: IssueContent) -> tuple[str, ...]:
    """The addresses of all pictures that the issue may show, logos among them, each once."""
    pictures = [article.picture for article in articles(content)]
    pictures += [content.sponsor.picture] if content.sponsor else []
    logos = (content.theme.logo, content.site.logo)
    return tuple(dict.fromkeys([*(one.url for one in pictures if one), *filter(None, logos)]))


def hosted(content: IssueContent, ours: Mapping[str, Hosted]) -> IssueContent:
    """The content with the pictures of `ours`, by their former addresses, and no others.

    A logo that is not among them stays where it is: the masthead needs it.
    """

    def article(one: ArticleContent) -> ArticleContent:
        return replace(one, picture=_ours(one.picture, ours))

    sections = (replace(one, articles=tuple(map(article, one.articles))) for one in content.sections)
    return replace(
        content,
        lead=article(content.lead) if content.lead else None,
        sections=tuple(sections),
        latest=tuple(map(article, content.latest)),
        sponsor=_sponsor(content.sponsor, ours),
        site=replace(content.site, logo=_logo(content.site.logo, ours)),
        theme=replace(content.theme, logo=_logo(content.theme.logo, ours)),
    )


def own(content: IssueContent, html: str, base: str) -> tuple[str, ...]:
    """The file names of our pictures, those below `base`, that `html` shows, in the order in which they matter."""
    ranked = sorted(articles(content), key=lambda one: one.rank)
    pictures = [content.sponsor.picture] if content.sponsor else []
    pictures += [content.lead.picture] if content.lead else []
    pictures += [article.picture for article in ranked]
    logos = (content.theme.logo, content.site.logo)
    urls = dict.fromkeys([*filter(None, logos), *(one.url for one in pictures if one)])
    return tuple(url.removeprefix(base) for url in urls if url.startswith(base) and f'src="{escape(url)}"' in html)


def named(html: str, base: str) -> tuple[str, ...]:
    """The file names of our pictures, those below `base`, that `html` shows, each once."""
    return tuple(dict.fromkeys(re.findall(re.escape(base) + r"([0-9a-f]{64}\.(?:jpg|png))\b", html)))


def fitting(names: Iterable[str], sizes: Mapping[str, int], most: int) -> tuple[str, ...]:
    """Of `names`, in their order, each that still fits into `most` bytes together with those before it."""
    chosen, left = [], most
    for name in names:
        if name in sizes and sizes[name] <= left:
            chosen.append(name)
            left -= sizes[name]
    return tuple(chosen)


def _ours(picture: Picture | None, ours: Mapping[str, Hosted]) -> Picture | None:
    found = ours.get(picture.url) if picture else None
    if picture is None or found is None:
        return None
    return replace(picture, url=found.url, width=found.width, height=found.height)


def _sponsor(sponsor: Sponsor | None, ours: Mapping[str, Hosted]) -> Sponsor | None:
    return replace(sponsor, picture=_ours(sponsor.picture, ours)) if sponsor else None


def _logo(logo: str | None, ours: Mapping[str, Hosted]) -> str | None:
    return ours[logo].url if logo and logo in ours else logo
