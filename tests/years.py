"""Years of a newsroom on a virtual clock: sources that fail, edit, repeat and date ahead, and editors with moods.

Looks are decided and stored by the product, of `Feed` values; issues are composed, frozen and sent by it. Everything
follows from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, select
from world import Slot, World

from digest import db
from digest.compose import issues
from digest.compose.run import Composed
from digest.config.values import SectionConfig, SectionMatch
from digest.gather import decide, standing, storing
from digest.gather.entries import Byline, Entry, Feed
from digest.gather.outcomes import Failed, Fetched, Outcome
from digest.gather.urls import canonical_url
from digest.models import Issue, IssueState, Source

SHOWN = 15  # entries that a feed holds
SECTIONS = ("Europe", "Asia", "")
NAMES = ("ann", "bo", "cy", "di", "el", "fay")


@dataclass
class Piece:
    """What a source has published: one page, whatever becomes of its words and links."""

    number: int
    url: str
    title: str
    dated: datetime | None
    out: datetime  # when the feed first shows it
    author: str
    section: str
    edited: datetime | None


@dataclass
class Outlet:
    """A source of the world, with its outages and habits."""

    name: str
    random: Random
    pieces: list[Piece] = field(default_factory=list)
    down_until: datetime | None = None
    guids: int = 0  # how often it gave all its entries new ids

    def live(self, now: datetime, quiet: bool, heard: list[str]) -> None:
        """A day passes: pieces are written, some after others' headlines, and the server may go down."""
        dice = self.random
        if self.down_until is not None and now >= self.down_until:
            self.down_until = None
        if self.down_until is None and dice.random() < 0.02:
            self.down_until = now + timedelta(hours=dice.choice([3, 30, 100, 24 * 10, 24 * 25]))
        if dice.random() < 0.01:
            self.guids += 1
        for _ in range(0 if quiet else dice.choice([0, 0, 1, 1, 2])):
            number = len(self.pieces)
            out = now - timedelta(minutes=dice.randrange(1, 1400))
            title = dice.choice(heard) if heard and dice.random() < 0.1 else f"{self.name} reports thing {number}"
            heard.append(title)
            late = {0: timedelta(days=-2), 1: timedelta(days=3), 2: timedelta(days=6)}.get(dice.randrange(20))
            dated = None if dice.random() < 0.05 else out - (late or timedelta())
            edited = out + timedelta(days=dice.randrange(1, 9)) if dice.random() < 0.2 else None
            url = f"https://{self.name}.example/{number}"
            author, section = dice.choice(NAMES), dice.choice(SECTIONS)
            self.pieces.append(Piece(number, url, title, dated, out, author, section, edited))

    def outcome(self, now: datetime) -> tuple[Outcome, Feed | None]:
        """What a look at it brings."""
        if self.down_until is not None and now < self.down_until:
            return Failed("503 from the server", status=500), None
        newest = sorted(self.pieces, key=lambda piece: piece.out)[-SHOWN:]
        feed = Feed("rss20", self.name, entries=tuple(self._entry(piece, now) for piece in reversed(newest)))
        return Fetched(b"", f"https://{self.name}.example/feed"), feed

    def _entry(self, piece: Piece, now: datetime) -> Entry:
        tracked = f"{piece.url}?utm_source=rss&utm_campaign={now.date()}" if now.day % 3 == 0 else piece.url
        title = f"{piece.title} (corrected)" if piece.edited and now >= piece.edited else piece.title
        return Entry(
            id=f"{self.name}-{self.guids}-{piece.number}",
            url=tracked,
            canonical_url=canonical_url(tracked),
            title=title,
            published=piece.dated,
            bylines=(Byline(piece.author),),
            section=piece.section or None,
        )


class Years:
    """The newsroom: `weeks` of it, then `world` holds what came of them."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(engine).set(
            max_articles=10,
            min_articles=8,
            sections=(
                SectionConfig("europe", "Europe", SectionMatch(section=("Europe",)), max=4, min=2),
                SectionConfig("asia", "Asia", SectionMatch(section=("Asia",)), max=4),
            ),
            ranking={"floor": 8, "max_per_source": 4, "max_per_author": 3, "roll_over": 2},
        )
        self.outlets = [Outlet(f"paper{number}", Random(seed * 100 + number)) for number in range(5)]
        for outlet in self.outlets:
            self.world.source(outlet.name)
        self.heard: list[str] = []
        self.waiting: list[tuple[datetime, Slot, Issue]] = []  # held, and when somebody lets it go

    def weeks(self, many: int) -> None:
        """So many weeks pass, day by day; the draft is made a day before the issue is due."""
        for _ in range(many):
            quiet = self.random.random() < 0.25
            due = self.world.now + timedelta(days=7)
            slot = Slot(due.strftime("%Y-%m-%dT%H:%M"), due)
            self.world.set(if_thin=self.random.choice(["skip", "roll over"]))
            for day in range(1, 8):
                self.world.now = due - timedelta(days=7 - day)
                for outlet in self.outlets:
                    outlet.live(self.world.now, quiet, self.heard)
                    self._look(outlet)
                self._let_go()
                if day == 6:
                    self._edit(self.world.compose(slot))
            self._end(slot)
        while self.waiting:
            self.world.now += timedelta(days=1)
            self._let_go()

    def _look(self, outlet: Outlet) -> None:
        with db.writing(self.world.engine) as session:
            source = session.get_one(Source, outlet.name)
            before = storing.standing(source)
            if not standing.may_ask(before, self.world.now, force=False):
                return
            outcome, feed = outlet.outcome(self.world.now)
            self._store(session, source, standing.after(before, outcome, feed, self.world.now), feed)

    def _store(self, session: Session, source: Source, after: standing.Standing, feed: Feed | None) -> None:
        session.expunge(source)  # as it was before the look
        storing.store_standing(session, source.id, after)
        if feed is not None:
            known = storing.known(session, source.id, feed.entries)
            storing.store_entries(session, source, decide.sort_entries(feed.entries, known), self.world.now)

    def _edit(self, composed: Composed) -> None:
        placed = [row.article_id for row in composed.placements if row.left_out is None]
        others = [row.article_id for row in composed.placements if row.left_out is not None]
        if composed.issue.state != IssueState.DRAFT:
            return
        if placed and self.random.random() < 0.4:
            self.world.amend(composed.issue, issues.drop, self.random.choice(placed))
        if others and self.random.random() < 0.4:
            self.world.amend(composed.issue, issues.pin, self.random.choice(others))

    def _end(self, slot: Slot) -> None:
        """The slot has come: sent, skipped as thin, cancelled before or after freezing, or held for some days."""
        composed = self.world.compose(slot)
        if composed.issue.state == IssueState.SKIPPED:
            return
        mood = self.random.random()
        if mood < 0.12:
            self.world.move(composed.issue, IssueState.CANCELLED)
        elif mood < 0.22:
            self.world.approve(composed.issue)
            self.world.freeze(composed.issue)
            self.world.do(lambda session: issues.cancel(session, composed.issue.id or 0, self.world.now))
        elif mood < 0.34:
            held = self.world.move(composed.issue, IssueState.HELD)
            self.waiting.append((slot.at + timedelta(days=self.random.choice([3, 8])), slot, held))
        else:
            self.world.publish(composed.issue)

    def _let_go(self) -> None:
        for one in [one for one in self.waiting if one[0] <= self.world.now]:
            self.waiting.remove(one)
            _, slot, issue = one
            self.world.move(issue, IssueState.DRAFT)
            composed = self.world.compose(slot)
            if composed.issue.state != IssueState.SKIPPED:
                self.world.publish(composed.issue)


def all_rows(engine: Engine, model: type[Any]) -> list[Any]:
    """Every row of a table."""
    with db.reading(engine) as session:
        return list(session.exec(select(model)))
