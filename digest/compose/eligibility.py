"""Which articles an issue may choose from, and why not the others (DESIGN section 6, STANDARDS E-13 and E-14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.compose.candidates import Looked
from digest.models import Article, Cause

FAR_DAYS = 36_500  # a window of a century is "everything"; more would leave the calendar


@dataclass(frozen=True)
class Window:
    """What an issue looks at: became available in [start, end), and no backlog older than `days`."""

    start: datetime
    end: datetime  # the cut
    days: int


def before(instant: datetime, days: int) -> datetime:
    """`instant` less `days`, which may be any whole number."""
    return instant - timedelta(days=min(days, FAR_DAYS))


def window(last_cut: datetime | None, now: datetime, days: int) -> Window:
    """The window of an issue cut at `now`: from the last cut, or the last `days` if there was none."""
    return Window(last_cut if last_cut is not None else before(now, days), now, days)


@dataclass(frozen=True)
class Refused:
    """Why an article has no place: in a word for programs, and in a sentence."""

    cause: Cause
    sentence: str


def not_eligible(article: Article | Looked, window: Window, *, rolled: bool = False) -> Refused | None:
    """Why an issue with this window can't have `article`; None if it can.

    A source that was down loses nothing: its articles may be as old as its last good look, less `window.days`. A source
    that is new brings the last `window.days` only. What is `rolled` over was in an earlier window.
    """
    at = _said(article.available_at)
    if article.hidden:
        return Refused(Cause.HIDDEN, "It is hidden.")
    if article.held_for:
        return Refused(Cause.HELD, article.held_for)
    if article.available_at >= window.end:
        return Refused(Cause.AHEAD, f"It becomes available at {at}, after the cut: the next issue can have it.")
    if article.available_at < window.start and not rolled:
        return Refused(Cause.WINDOW, f"It became available at {at}, before this issue's window.")
    oldest = before(article.previous_look_at, window.days)
    if article.published_at is not None and article.published_at < oldest and not article.added_by_hand:
        published = _said(article.published_at)
        return Refused(Cause.BACKLOG, f"It is backlog: published at {published}, before {_said(oldest)}.")
    return None


def taken(number: int | None, issue_id: int) -> Refused:
    """For an article that another issue of the edition has; no editor's hand overrides it."""
    was = f"It was in issue {number}." if number is not None else f"It is in the open issue with id {issue_id}."
    return Refused(Cause.TAKEN, was)


def named(number: int | None, issue_id: int) -> str:
    """An earlier issue as a sentence names it."""
    return f"issue {number}" if number is not None else f"the issue with id {issue_id}"


def _said(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
