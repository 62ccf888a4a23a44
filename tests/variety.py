"""An audience that chose: a frozen issue of several sections and authors, and readers with wishes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import samples
from office import invite, open_office
from post import AT, stationery
from sqlalchemy import Engine, bindparam, select, update
from world import plain

from digest import db
from digest.compose import freezing, rendering
from digest.compose.content import IssueContent, articles, to_json
from digest.compose.variants import packed
from digest.config.stored import edition_to_json
from digest.config.values import EditionConfig
from digest.models import Delivery, Edition, Issue, IssueState, Variant, table
from digest.templating import Templates
from subscribers.models import Subscriber, Subscription

SECTIONS = ("crises", "industry", "europe", "notes")
CONTENT = replace(
    samples.ISSUE,
    lead_section="crises",
    choosable=(*SECTIONS, "sports"),  # a section without articles this week
    subject_template="{{ lead.title }}",
)
AUTHORS = sorted({byline.name.casefold() for article in articles(CONTENT) for byline in article.bylines})


@dataclass(frozen=True)
class Wisher:
    """What one reader chose."""

    choices: dict[str, list[str]]
    language: str | None = None


def open_variety(engine: Engine, wishers: Sequence[Wisher], content: IssueContent = CONTENT) -> None:
    """The office with readers 1, 2, ... who chose so, and the frozen issue 12 that says `content`."""
    open_office(engine, 0)
    with db.writing(engine) as session:
        settings = edition_to_json(EditionConfig("weekly", "weekly", "Weekly"))
        session.execute(update(table(Edition)).where(table(Edition).c.id == "weekly").values(settings=settings))
    for start in range(0, len(wishers), 10_000):
        some = wishers[start : start + 10_000]
        invite(engine, [(start + n, f"reader{start + n}@example.org") for n in range(1, len(some) + 1)])
        choose(engine, some, start)
    give_content(engine, 12, content)


def choose(engine: Engine, wishers: Sequence[Wisher], after: int = 0) -> None:
    """Readers after + 1, after + 2, ... choose so."""
    place, person = table(Subscription), table(Subscriber)
    numbered = [(number, wisher) for number, wisher in enumerate(wishers, after + 1)]
    chosen = update(place).where(place.c.subscriber_id == bindparam("n")).values(choices=bindparam("chosen"))
    spoken = update(person).where(person.c.id == bindparam("n")).values(language=bindparam("said"))
    with db.writing(engine) as session:
        connection = session.connection()
        connection.execute(chosen, [{"n": number, "chosen": one.choices} for number, one in numbered])
        connection.execute(spoken, [{"n": number, "said": one.language} for number, one in numbered])


def give_content(engine: Engine, issue_id: int, content: IssueContent) -> None:
    """What the frozen issue says."""
    with db.writing(engine) as session:
        row, inputs = table(Issue), zlib.compress(to_json(content).encode())
        session.execute(update(row).where(row.c.id == issue_id).values(inputs=inputs))
        ids = [article.id for article in articles(content)]
        session.execute(update(table(Variant)).where(table(Variant).c.issue_id == issue_id).values(articles=ids))


def one_more_issue(engine: Engine, issue_id: int, content: IssueContent = CONTENT) -> None:
    """A frozen issue to the same readers."""
    with db.writing(engine) as session:
        frozen = Issue(id=issue_id, edition_id="weekly", number=issue_id, state=IssueState.FROZEN, created_at=AT)
        frozen.window_start = frozen.window_end = AT
        session.add(frozen)
        session.flush()
        session.add(packed(stationery(), "", AT, issue_id))
    give_content(engine, issue_id, content)


@dataclass(frozen=True)
class Got:
    """What the ledger has for a reader."""

    articles: tuple[int, ...]
    language: str
    state: str
    message_id: str
    reason: str | None


def ledger_of(engine: Engine, issue_id: int = 12) -> dict[int, Got]:
    """By reader; no articles where the row is skipped."""
    row, variant = table(Delivery), table(Variant)
    found = (
        select(row, variant.c.articles, variant.c.language)
        .select_from(row.outerjoin(variant, variant.c.id == row.c.variant_id))
        .where(row.c.issue_id == issue_id)
    )
    with db.reading(engine) as session:
        return {
            one.subscriber_id: Got(tuple(one.articles or ()), one.language or "", one.state, one.message_id, one.reason)
            for one in session.execute(found)
        }


@contextmanager
def compiles(monkeypatch: Any) -> Iterator[list[str]]:
    """The subjects of what is rendered meanwhile, a compile each."""
    with _watched(monkeypatch, Templates, "html", lambda given: given[2]["subject"]) as seen:
        yield seen


@contextmanager
def quick(monkeypatch: Any) -> Iterator[list[str]]:
    """The same, with a rendering that costs next to nothing: the titles, a line each."""
    with monkeypatch.context() as patch:
        patch.setattr(freezing, "render", lambda content, **_: plain(content))
        with _watched(monkeypatch, freezing, "render", lambda given: given[0].subject) as seen:
            yield seen


@contextmanager
def _watched(monkeypatch: Any, owner: Any, name: str, told: Callable[[Any], str]) -> Iterator[list[str]]:
    seen: list[str] = []
    real = getattr(owner, name)

    def counted(*given: Any, **named: Any) -> Any:
        seen.append(told(given))
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, counted)
        yield seen


def render_with(templates: Templates, content: IssueContent) -> rendering.Rendered:
    """The round-up of it."""
    return rendering.render(content, templates, "roundup", "k3v9")
