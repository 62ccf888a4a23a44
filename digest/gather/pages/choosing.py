"""Of many clues to a field the one to believe: the best that is whole once cleaned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.gather.clean import markup_text, plain_text
from digest.gather.pages import weights
from digest.gather.pages.clues import Clues
from digest.gather.pages.names import MAX_AUTHORS, grade, signed, upright
from digest.gather.pages.titles import alike, cut, has, headed, is_sentence, same
from digest.gather.urls import host, resolve, web

MAX_DESCRIPTION = 1_000  # graphemes
SOMEWHAT = 0.3  # of the words of a heading, in any of the page's titles
NEARLY = 0.6  # of the words of the shorter
_OWN = ("ld.headline", "meta.og:title", "item.headline", "h1.headline", "h1.only")  # that never name the site
_LIBRARY = ("meta.dc.creator", "meta.dc:creator", "meta.dcterms.creator", "meta.citation_author")
MAX_SECTION = 80  # characters
_PLACEHOLDER = re.compile(r"^(?:undefined|null|none|nan|n/a|untitled|\W*)$|\{\{|\$\{|%%", re.I)
_LOGO = re.compile(
    r"(?:^|[/_.-])(?:logo|favicon|icons?|sprite|blank|placeholder|pixel|spacer|gravatar|avatar)(?:[/_.-]|$)", re.I
)


def whole(clues: Clues, about: str, table: dict[str, int]) -> Iterator[tuple[str, str]]:
    """The ranked clues as plain text, without what a template left unfilled."""
    for evidence, written in clues.ranked(about, table):
        text = plain_text(markup_text(written))
        if text and not _PLACEHOLDER.search(text):
            yield evidence, text


def site(clues: Clues) -> str:
    """The name of the site."""
    return next((text for _, text in whole(clues, "site", weights.SITE)), "")


def title(clues: Clues, url: str, named: str) -> str:
    """The headline, without the site's name."""
    told = list(whole(clues, "title", weights.TITLE))
    told = [(evidence, text) for evidence, text in told if not (evidence.startswith("h1") and _is_frame(text, told))]
    shown = [text for evidence, text in told if evidence.startswith(("h1", "h2"))]
    sites = _sites(clues, url, named, told)
    found = [
        (evidence, text if any(same(text, heading) for heading in shown) else cut(text, sites))
        for evidence, text in told
    ]
    named_by_page = " ".join(text for evidence, text in found if not evidence.startswith(("h1", "h2", "class.")))
    usable = [
        (evidence, text)
        for evidence, text in found
        if text and not _is_site(text, sites) and (not evidence.startswith("h1") or _fits(text, named_by_page))
    ]
    if not usable:
        return found[0][1] if found else ""
    best = _unbroken(usable[0][1], usable)
    headings = [text for evidence, text in usable if evidence.startswith(("h1", "h2"))]
    heading = max((text for text in headings if headed(best, text) or same(best, text)), key=len, default="")
    return heading or _shown(usable, best)


def _is_frame(heading: str, told: list[tuple[str, str]]) -> bool:
    """Whether the page's title is the second heading, a sign, and `heading`: then that is the site's name."""
    named = [text for evidence, text in told if evidence == "title" and text.casefold().endswith(heading.casefold())]
    second = [text for evidence, text in told if evidence == "h2" and len(text) > len(heading)]
    return any(headed(page_title, text) and page_title.startswith(text) for page_title in named for text in second)


def _sites(clues: Clues, url: str, named: str, told: list[tuple[str, str]]) -> list[str]:
    """What the site may be called: by its address, and as the page says, but for what is the headline itself."""
    name = host(url).removeprefix("www.")
    headline = next((text for evidence, text in told if evidence in _OWN), "")
    stated = [text for _, text in whole(clues, "site", weights.SITE) if not same(text, headline)]
    return [named, name, name.partition(".")[0], *stated]


def _unbroken(best: str, found: list[tuple[str, str]]) -> str:
    """The longer title that begins with `best`, if page and heading both say it: a quotation mark cut `best` short."""
    said = [text for evidence, text in found if evidence in ("title", "h1", "h1.only", "h2")]
    longer = [text for text in said if text.startswith(best) and '"' in text[len(best) :][:2]]
    return next((text for text in longer if longer.count(text) > 1), best)


def _fits(heading: str, named: str) -> bool:
    """Whether a heading says anything of what the page calls itself: else it is a section's, or the frame's."""
    return not named or alike(heading, named) >= SOMEWHAT


def _shown(found: list[tuple[str, str]], best: str) -> str:
    """The one heading that readers see, if the page's title says nearly the same or no linked data knows better.

    `best` is often made for sharing; but a heading that holds the whole of it has a kicker, a date or a name beside it.
    """
    only = next((text for evidence, text in found if evidence == "h1.only"), "")
    titles = [text for evidence, text in found if evidence in ("title", "meta.og:title", "meta.twitter:title")]
    if not is_sentence(only) or (has(only, best) and not any(same(only, text) for text in titles)):
        return best
    stated = any(evidence in ("ld.headline", "item.headline") for evidence, _ in found)
    return only if not stated or any(alike(only, text) >= NEARLY for text in titles) else best


def _is_site(text: str, sites: list[str]) -> bool:
    bare = re.sub(r"\W+", "", text.casefold())
    return any(bare == re.sub(r"\W+", "", name.casefold()) for name in sites if name)


def people(clues: Clues, url: str, named: str) -> tuple[str, ...]:
    """Who wrote it: the people whom the best evidence names, else what else signs it, the site itself last."""
    sites = [named, host(url).removeprefix("www.").rpartition(".")[0]]
    best: tuple[int, list[str]] = (0, [])
    for evidence in sorted({name for name, _ in clues.found["author"]} & weights.AUTHOR.keys(), key=_of_author):
        told = [text for name, text in clues.found["author"] if name == evidence]
        names = signed([upright(text) for text in told] if evidence in _LIBRARY else told, sites)
        worth = max((grade(name, sites) for name in names), default=0)
        if worth > best[0] or not best[1]:
            best = worth, names
    return tuple(best[1][:MAX_AUTHORS])


def _of_author(evidence: str) -> int:
    return -weights.AUTHOR[evidence]


def is_logo(address: str) -> bool:
    """Whether it seems to be the site's sign, or a portrait, and no picture of the article."""
    return bool(_LOGO.search(address))


def image(clues: Clues, base: str) -> str | None:
    """The address of its picture."""
    spare = None
    for evidence, text in clues.ranked("image", weights.IMAGE):
        address = web(resolve(base, text.strip()))
        if not address or _PLACEHOLDER.search(text):
            continue
        if not is_logo(address) and (spare is None or weights.IMAGE[evidence] >= 70):
            return address
        spare = spare or address
    return spare


def image_alt(clues: Clues) -> str:
    """What its picture shows."""
    return next((plain_text(text, 300) for _, text in whole(clues, "image_alt", weights.IMAGE_ALT)), "")


def description(clues: Clues) -> str:
    """The sentence under the headline."""
    return next((plain_text(text, MAX_DESCRIPTION) for _, text in whole(clues, "description", weights.DESCRIPTION)), "")


def section(clues: Clues) -> str | None:
    """The section it stands in."""
    for _, text in whole(clues, "section", weights.SECTION):
        if len(text) <= MAX_SECTION and not text.startswith("http"):
            return text
    return None


def canonical(clues: Clues, base: str) -> str | None:
    """The address that the page calls its own."""
    for _, text in clues.ranked("canonical", weights.CANONICAL):
        address = web(resolve(base, text))
        if address:
            return address.partition("#")[0]
    return None


def language(clues: Clues) -> str | None:
    """Its language tag, as "en-US"."""
    for _, text in clues.ranked("language", weights.LANGUAGE):
        if re.fullmatch(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*", text) and text.lower() not in ("und", "mul"):
            return text.replace("_", "-")
    return None
