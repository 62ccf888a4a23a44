"""What is not let in by itself: old articles published anew, and a source that became somebody else's. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from digest.gather.decide import EARLIEST, Page, Sorted, headline, published_at, standfirst
from digest.gather.entries import Entry, Feed
from digest.gather.hosts import owner_of

OLD = timedelta(days=365)
BEHIND = timedelta(days=7)  # the newest entry of the feed
RECENT = 10  # entries, of which the last is no backlog yet
FEW = 10  # new entries without a date, or in a wave of old ones, that are nothing unusual
TIMES = 3  # the usual number
WAVE = 5  # known headlines that come back at one look under other links
MANY_OWNERS = 4  # a source that links to so many domains and more links anywhere
RELEASE = "digest articles release"  # stands in the reasons that wait for a person
LINKS = 50  # latest articles that tell where a source's links lead


@dataclass(frozen=True)
class Past:
    """What is known of a source from before a look."""

    succeeded_at: datetime | None  # its last good look; None before the first
    url: str
    answered_url: str | None  # where its feed was then
    feed_title: str  # what its feed called itself then
    first_seen: tuple[datetime, ...] = ()  # of its latest articles
    links: tuple[str, ...] = ()  # of its latest articles


def usual(past: Past, now: datetime) -> float:
    """How many new articles a look may well bring, by the source's own history and the time since its last look."""
    looks = Counter(past.first_seen)
    if len(looks) > 1:
        del looks[min(looks)]  # a first look brings what gathered before
    if not looks or past.succeeded_at is None:
        return 0
    days = max(1.0, (max(looks) - min(past.first_seen)) / timedelta(days=1))
    away = (now - past.succeeded_at) / timedelta(days=1)
    return max(median(looks.values()), sum(looks.values()) / days * away)


def follow(entries: Sorted, titles: Iterable[Page], past: Past, now: datetime) -> Sorted:
    """The entries, those that are known articles under other ids and links taken for what they are.

    That is an equal headline, where the old link is not in the feed any more, and an equal day; or an equal dek, where
    at least five such come back together and are half of what seems new, as when a site moves. A headline that the
    source has used for several articles proves nothing by itself.
    """
    here = {article for _, _, article in entries.seen}
    known: defaultdict[str, list[Page]] = defaultdict(list)
    for page in titles:
        if page.article not in here:
            known[page.title].append(page)
    by_day, by_dek = {}, {}
    for entry, _ in entries.new:
        pages = known.get(headline(entry), [])
        same_day = next((page for page in pages if _same_day(entry, page, now)), None)
        if same_day:
            by_day[entry.canonical_url] = same_day.article
        elif len(pages) == 1 and pages[0].dek == standfirst(entry):
            by_dek[entry.canonical_url] = pages[0].article
    together = len(set(by_day.values()) | set(by_dek.values()))
    if past.succeeded_at and together >= WAVE and 2 * len(by_day | by_dek) >= len(entries.new):
        by_day = by_dek | by_day
    return _without(entries, by_day)


def _same_day(entry: Entry, page: Page, now: datetime) -> bool:
    when = published_at(entry, now)
    return bool(when and page.published_at and when.date() == page.published_at.date())


def _without(entries: Sorted, articles: Mapping[str, int]) -> Sorted:
    found = [
        (entry, name, articles[entry.canonical_url])
        for entry, names in entries.new
        if entry.canonical_url in articles
        for name in dict.fromkeys((*names, entry.canonical_url))
    ]
    new = tuple(pair for pair in entries.new if pair[0].canonical_url not in articles)
    return replace(entries, new=new, seen=entries.seen + tuple(found))


def backlog(entries: Sorted, feed: Feed, past: Past, now: datetime) -> dict[str, str]:
    """Why some of the new entries are no news, by canonical URL: they could have been seen at an earlier look.

    Those older than a year, or than the tenth newest of the feed and a week behind the newest.
    """
    dates = sorted(filter(None, (published_at(entry, now) for entry in feed.entries)), reverse=True)
    if past.succeeded_at is None or not dates:
        return {}
    oldest = max(now - OLD, min(dates[0] - BEHIND, dates[min(RECENT, len(dates)) - 1]))
    found = {}
    for entry, _ in entries.new:
        when = published_at(entry, now)
        if when and when <= past.succeeded_at and when < oldest:
            found[entry.canonical_url] = (
                f"It is old: its source brought it only at {now:%Y-%m-%d %H:%M} UTC, and dates it {when:%Y-%m-%d}."
            )
    return found


def flood(entries: Sorted, before: Sorted, old: Collection[str], past: Past, now: datetime) -> dict[str, str]:
    """Why some of the new entries wait for a person: too many at once that nothing shows to be news.

    Those without a date; any, if most of what seemed new `before` was known under other links; and those from before
    the last look if many `old` ones (of `backlog`) come with them.
    """
    if past.succeeded_at is None:
        return {}
    most = max(FEW, TIMES * usual(past, now))
    moved = len(before.new) - len(entries.new)
    if moved >= WAVE and 2 * moved >= len(before.new):
        why, since = "with old ones under new links", now
    else:
        why, since = ("with old ones", past.succeeded_at) if len(old) > most else ("without a date", EARLIEST)
    doubtful = [
        entry.canonical_url
        for entry, _ in entries.new
        if entry.canonical_url not in old and (published_at(entry, now) or since) <= since
    ]
    if len(doubtful) + (len(old) if since > EARLIEST else 0) <= most:
        return {}
    sentence = (
        f"It came {why}, {len(entries.new)} of them at one look: more than its source ever brought. "
        f"`{RELEASE}` lets it in."
    )
    return dict.fromkeys(doubtful, sentence)


def takeover(entries: Sorted, feed: Feed, answered_url: str, past: Past) -> str | None:
    """Why the source may be somebody else's by now (S-F9), as a sentence; None if nothing says so.

    Nothing in it is known, and besides the links, the address or the title are another owner's.
    """
    if past.succeeded_at is None or not past.links or entries.seen or not entries.new:
        return None
    ours = {owner_of(url) for url in past.links}
    theirs = {owner_of(entry.url) for entry, _ in entries.new}
    owners = {owner_of(past.url), owner_of(past.answered_url or past.url)}
    anywhere = len(ours) >= MANY_OWNERS and 4 * len(ours) > len(past.links)
    signs = []
    if not anywhere and not ours & theirs:
        signs.append(f"its links lead to {_named(theirs)} and led to {_named(ours)}")
    if owner_of(answered_url) not in owners:
        signs.append(f"its address leads to {owner_of(answered_url)}")
    if past.feed_title and feed.title and not _words(past.feed_title) & _words(feed.title):
        here, before = (title[:60].replace("`", "'") for title in (feed.title, past.feed_title))
        signs.append(f'it is called "{here}" and was called "{before}"')
    return f"nothing in it is known, and {', and '.join(signs)}" if signs else None


def _named(owners: set[str]) -> str:
    some = sorted(owners)
    return some[0] if len(some) == 1 else f"{some[0]} and {len(some) - 1} more"


def _words(title: str) -> set[str]:
    return set(re.findall(r"\w+", title.casefold()))


def quiet_after(times: Sequence[datetime]) -> datetime | None:
    """Until when a source may bring nothing without a cause (E-16): three times its usual interval after its last.

    That is the interval between days with articles that nine of ten don't exceed; None below five articles or two
    intervals.
    """
    days = sorted({when.date() for when in times})
    if len(times) < 5 or len(days) < 3:
        return None
    gaps = sorted(later - earlier for earlier, later in pairwise(days))
    return max(times) + TIMES * gaps[(9 * len(gaps) - 1) // 10]
