"""Where a source is and how it is read, whatever its type: one look gives a body, one reading its entries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from digest.config.rules import wrong_type
from digest.errors import UsageError
from digest.gather import folders, kinds
from digest.gather.entries import Feed
from digest.gather.fetch import Fetcher
from digest.gather.hosts import without_secrets, without_user
from digest.gather.kinds.sitemap import newest_parts
from digest.gather.outcomes import Failed, Fetched, Outcome, Part, Validators
from digest.models import Source


@dataclass(frozen=True)
class Target:
    """A source as it is asked: `type` None where it shows by itself what it is."""

    url: str
    type: str | None = "feed"
    selectors: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None  # absolute


def target(source: Source, home: Path | None) -> Target:
    """Where `source` is; a relative folder counts from `home`, the folder of config.toml."""
    folder = (home or Path()) / source.folder if source.folder else None
    return Target(source.url, source.type, source.selectors, folder)


async def ask(fetching: Fetcher, at: Target, validators: Validators | None, now: datetime) -> Outcome:
    """What came of asking: of a folder its files, of a sitemap index its newest sitemaps as well, one by one."""
    if at.type == "folder":
        if at.folder is None:
            return Failed(f"{at.url}: expected a folder for a source of this type, got none")
        return await asyncio.to_thread(folders.look, at.folder, at.url, validators)
    outcome = await fetching.fetch(kinds.address(at.type or "feed", at.url), validators, now)
    if isinstance(outcome, Fetched) and at.type in ("sitemap", None):
        return await _with_parts(fetching, outcome, now)
    return outcome


def read(at: Target, fetched: Fetched) -> Feed:
    """The entries of what was fetched (pure; takes as long as its body asks for)."""
    return kinds.read(
        at.type or kinds.recognised(fetched.body, fetched.content_type),
        fetched.body,
        url=without_user(fetched.url),  # relative links become articles' addresses
        content_type=fetched.content_type,
        selectors=at.selectors,
        parts=fetched.parts,
    )


async def _with_parts(fetching: Fetcher, index: Fetched, now: datetime) -> Fetched:
    found, dated = await asyncio.to_thread(newest_parts, index.body, index.url, index.content_type)
    parts = [await _part(fetching, url, now) for url in found]
    if not parts:
        return index
    # An index that doesn't date its sitemaps stays the same while they change; and one that failed is asked again.
    trusted = dated and not any(part.problem for part in parts)
    return replace(index, parts=tuple(parts), validators=index.validators if trusted else None)


async def _part(fetching: Fetcher, url: str, now: datetime) -> Part:
    outcome = await fetching.fetch(url, None, now)
    if isinstance(outcome, Fetched):
        return Part(outcome.url, outcome.body, outcome.content_type)
    return Part(url, problem=getattr(outcome, "sentence", f"{without_secrets(url)}: it was not read"))


def given(
    url: str, *, type_: str | None = None, select: Mapping[str, str] | None = None, folder: str | None = None
) -> Target:
    """A target as a person names it: selectors mean a page, a folder means a folder, unless a type is said."""
    meant = type_ or ("page" if select else "folder" if folder else None)
    if folder and not Path(folder).is_dir():
        raise UsageError(f'folder: expected a folder that is there, got "{folder}"')
    for key, sentence in wrong_type(meant or "feed", select, folder):
        raise UsageError(f"{key}: {sentence}")
    return Target(url, meant, dict(select or {}), Path(folder).resolve() if folder else None)
