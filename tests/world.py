"""A fake world in one line per fact, for tests of composing and of what comes after it.

world = World(engine)
world.source("a", weight=1.2).article("Title", hours_ago=3, section="Europe").article("Other")
issue = world.compose()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from digest import db
from digest.compose import freezing, issues, printing, run
from digest.compose.content import IssueContent, articles
from digest.compose.rendering import Rendered
from digest.config.stored import edition_to_json
from digest.config.values import Config, EditionConfig, MailConfig, RankingConfig, SiteConfig
from digest.links import Links
from digest.models import Article, Edition, Issue, IssueState, Source, people
from subscribers.tokens import KeyRing

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONFIG = Config(
    site=SiteConfig(name="The Review", url="https://review.example", postal_address="1 Main Street, Springfield"),
    mail=MailConfig(sender="The Review <letters@review.example>"),
)
LINKS = Links("https://news.review.example", KeyRing("a secret that is long enough to be used as one", ()))
WEEKLY = EditionConfig(id="weekly", list="readers", title="The Weekly")


@dataclass(frozen=True)
class Slot:
    """A planned time."""

    local: str
    at: datetime


@dataclass
class World:
    """A database with one list and one edition, and a clock that tests turn."""

    engine: Engine
    config: Config = CONFIG
    now: datetime = NOW
    edition: EditionConfig = WEEKLY
    ids: dict[str, int] = field(default_factory=dict)  # title -> article

    def __post_init__(self) -> None:
        with db.writing(self.engine) as session:
            session.add(people.MailingList(id="readers", title="Our readers", created_at=self.now))
            session.flush()
            session.add(Edition(id="weekly", list_id="readers", title="The Weekly"))
        self.set()

    def set(self, **settings: Any) -> World:
        """Change the edition's settings; `ranking` takes a dict."""
        if "ranking" in settings:
            settings["ranking"] = RankingConfig(**settings["ranking"])
        self.edition = replace(self.edition, **settings)
        with db.writing(self.engine) as session:
            row = session.get(Edition, "weekly")
            assert row is not None
            row.settings = edition_to_json(self.edition)
            session.add(row)
        return self

    def source(self, name: str, **settings: Any) -> FakeSource:
        """A source, made if it isn't there."""
        with db.writing(self.engine) as session:
            if session.get(Source, name) is None:
                url = f"https://{name}.example/feed"
                session.add(Source(id=name, name=name.title(), url=url, created_at=self.now, **settings))
        return FakeSource(self, name)

    def later(self, **time: float) -> World:
        """Let time pass."""
        self.now += timedelta(**time)
        return self

    def compose(self, slot: Slot | None = None) -> run.Composed:
        """Compose the edition now."""
        return run.compose(self.engine, self.config, LINKS, "weekly", self.now, slot)

    def amend(self, issue: Issue, verb: Callable[..., object], *given: Any, **named: Any) -> run.Composed:
        """One of the editor's verbs, with articles named by title: `world.amend(issue, issues.pin, "A")`."""
        assert issue.id is not None
        known = [self.ids.get(one, one) if isinstance(one, str) else one for one in given]
        return run.amend(
            self.engine,
            self.config,
            LINKS,
            issue.id,
            self.now,
            lambda session: verb(session, issue.id, *known, self.now, **named),
        )

    def approve(self, issue: Issue) -> Issue:
        """Approve the issue as it stands."""
        with db.writing(self.engine) as session:
            return issues.approve(session, self._id(issue), self.issue(issue).content_hash, "editor", self.now)

    def move(self, issue: Issue, to: IssueState) -> Issue:
        """Move the issue along its table of states."""
        with db.writing(self.engine) as session:
            return issues.move(session, self._id(issue), to, self.now)

    def freeze(self, issue: Issue, render: Callable[[IssueContent], printing.Rendered] | None = None) -> Issue:
        """Freeze the approved issue."""
        press = printing.Press(render or plain, "k3v9", {"From": "The Review <letters@review.example>"})
        with db.writing(self.engine) as session:
            return freezing.freeze(session, self.config, LINKS, self._id(issue), press, self.now)

    def publish(self, issue: Issue) -> Issue:
        """Approve, freeze and send the issue, to nobody."""
        self.approve(issue)
        self.freeze(issue)
        self.move(issue, IssueState.SENDING)
        return self.move(issue, IssueState.SENT)

    def issue(self, issue: Issue) -> Issue:
        """The issue as it is stored now."""
        with db.reading(self.engine) as session:
            row = session.get(Issue, issue.id)
            assert row is not None
            return row

    def issues(self) -> list[Issue]:
        """All issues, in the order they were made."""
        with db.reading(self.engine) as session:
            return list(session.exec(select(Issue).order_by(col(Issue.id))))

    def change(self, article: str, /, **values: Any) -> None:
        """Change a stored article, as gathering it again would."""
        with db.writing(self.engine) as session:
            row = session.get(Article, self.ids[article])
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    def do(self, step: Callable[[Session], Any]) -> Any:
        """A step in a transaction of its own."""
        with db.writing(self.engine) as session:
            return step(session)

    @staticmethod
    def _id(issue: Issue) -> int:
        assert issue.id is not None
        return issue.id


@dataclass(frozen=True)
class FakeSource:
    """A source that articles are put into."""

    world: World
    name: str

    def article(self, title: str, hours_ago: float = 1, seen_ago: float | None = None, **values: Any) -> FakeSource:
        """An article, published `hours_ago` and seen then, or `seen_ago` if the source was late with it."""
        world = self.world
        published = values.pop("published_at", world.now - timedelta(hours=hours_ago))
        seen = world.now - timedelta(hours=hours_ago if seen_ago is None else seen_ago)
        url = values.pop("url", f"https://{self.name}.example/{title.lower().replace(' ', '-')}")
        row = Article(
            **{
                "canonical_url": url,
                "url": url,
                "source_id": self.name,
                "title": title,
                "published_at": published,
                "first_seen_at": seen,
                "available_at": max(seen, published or seen),
                "previous_look_at": seen,
                **values,
            }
        )
        with db.writing(world.engine) as session:
            session.add(row)
            session.flush()
            assert row.id is not None
            world.ids[title] = row.id
        return self


def plain(content: IssueContent) -> Rendered:
    """A rendering for tests of what is around it: the titles, a line each."""
    lines = "\n".join(article.title for article in articles(content))
    return Rendered(content.subject, content.preheader, f"<p>{lines}</p>", lines)


def titles(composed: run.Composed) -> list[str]:
    """The issue's titles in reading order."""
    return [article.title for article in articles(composed.content)] if composed.content else []


def left_out(composed: run.Composed) -> dict[str, str]:
    """Why each of the others is left out, by title."""
    return {
        composed.articles[row.article_id].title: row.left_out for row in composed.placements if row.left_out is not None
    }
