"""Of many clues to a field the one to believe: the best that is whole once cleaned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from digest.gather.clean import markup_text, plain_text
from digest.gather.pages import weights
from digest.gather.pages.clues import Clues
from digest.gather.pages.dates import When, address_date, read_date
from digest.gather.pages.names import MAX_AUTHORS, authors, is_person, is_site
from digest.gather.pages.titles import alike, cut, headed, same
from digest.gather.urls import host, resolve, web

MAX_DESCRIPTION = 1_000  # graphemes
SOMEWHAT = 0.3  # of the words of a heading, in any of the page's titles
NEARLY = 0.6  # of the words of the shorter
MAX_SECTION = 80  # characters
_PLACEHOLDER = re.compile(r"^(?:undefined|null|none|nan|n/a|untitled|\W*)$|\{\{|\$\{|%%", re.I)
_LOGO = re.compile(
    r"(?:^|[/_.-])(?:logo|favicon|icons?|sprite|blank|placeholder|pixel|spacer|gravatar|avatar)(?:[/_.-]|$)", re.I
)
_MONTH_FIRST = re.compile(r"^en(?:[-_](?:us|ph|ca))?$", re.I)


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
    name = host(url).removeprefix("www.")
    sites = [named, name, name.partition(".")[0], *(text for _, text in whole(clues, "site", weights.SITE))]
    found = [(evidence, cut(text, sites)) for evidence, text in whole(clues, "title", weights.TITLE)]
    named_by_page = " ".join(text for evidence, text in found if not evidence.startswith(("h1", "h2", "class.")))
    usable = [
        (evidence, text)
        for evidence, text in found
        if text and not _is_site(text, sites) and (not evidence.startswith("h1") or _fits(text, named_by_page))
    ]
    if not usable:
        return found[0][1] if found else ""
    best = usable[0][1]
    headings = [text for evidence, text in usable if evidence.startswith("h1")]
    heading = next((text for text in headings if text and (headed(best, text) or same(best, text))), "")
    return heading or _shown(usable, best)


def _fits(heading: str, named: str) -> bool:
    """Whether a heading says anything of what the page calls itself: else it is a section's, or the frame's."""
    return not named or alike(heading, named) >= SOMEWHAT


def _shown(found: list[tuple[str, str]], best: str) -> str:
    """The one heading that readers see, if it says nearly what the page's title says: `best` is made for sharing."""
    only = next((text for evidence, text in found if evidence == "h1.only"), "")
    titles = [text for evidence, text in found if evidence in ("title", "meta.og:title", "meta.twitter:title")]
    near = only.count(" ") >= 3 and any(alike(only, text) >= NEARLY for text in titles)
    return only if near else best


def _is_site(text: str, sites: list[str]) -> bool:
    bare = re.sub(r"\W+", "", text.casefold())
    return any(bare == re.sub(r"\W+", "", name.casefold()) for name in sites if name)


def people(clues: Clues, url: str, named: str) -> tuple[str, ...]:
    """Who wrote it."""
    label = host(url).removeprefix("www.").rpartition(".")[0]
    fallback: list[str] = []
    for evidence in sorted({name for name, _ in clues.found["author"]} & weights.AUTHOR.keys(), key=_of_author):
        names: dict[str, str] = {}
        for written in (text for name, text in clues.found["author"] if name == evidence):
            for name in authors(written, site=named):
                names.setdefault(name.casefold(), name)
        if any(is_person(name) and not is_site(name, named) and not is_site(name, label) for name in names.values()):
            return tuple(names.values())[:MAX_AUTHORS]
        fallback = fallback or list(names.values())
    return tuple(fallback[:MAX_AUTHORS])


def _of_author(evidence: str) -> int:
    return -weights.AUTHOR[evidence]


def date(clues: Clues, url: str, language: str | None) -> When | None:
    """When it was published."""
    american = bool(_MONTH_FIRST.match(language or "en")) and not host(url).endswith(
        (".uk", ".au", ".ie", ".nz", ".in")
    )
    in_address = address_date(url)
    for evidence, text in clues.ranked("date", weights.DATE):
        found = read_date(text, american=american)
        if found is not None:
            return found
        if weights.DATE[evidence] < 60 and in_address:
            return in_address
    return in_address


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
