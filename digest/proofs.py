"""What an issue is to its readers, before and after it goes: who gets which variant, one reader's mail, proofs."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Row, or_, select
from sqlmodel import Session

from digest import db, readying, segments
from digest.blanks import Blank, fill
from digest.compose import rows
from digest.compose import run as composing
from digest.compose.content import IssueContent, content_hash
from digest.compose.printing import Press, Printer
from digest.compose.rendering import render
from digest.compose.selecting import EVERYBODY, Offer, Pick, offered, said_for
from digest.compose.variants import fields_of
from digest.deliver import reporting, stored
from digest.deliver.allotting import Outcome, Rule
from digest.deliver.message import Stationery, standing_headers
from digest.deliver.progress import Watcher, unwatched
from digest.errors import NotFound, NothingToDo, Stopped
from digest.fields import paths, values
from digest.models import Edition, Issue, Variant, people, table
from digest.wiring import App
from subscribers import audience
from subscribers.addresses import normalise
from subscribers.audience import Wish

_v = table(Variant)
_e = table(Edition)
_p = table(people.Subscriber)
_l = table(people.Subscription)
_SUBJECT = (_v.c.subject, _v.c.blank_word, _v.c.fields)
_PROOFS = 2_000  # variants printed before anything is fixed, some 20 KB each; the others as their readers come


@dataclass(frozen=True)
class Share:
    """One variant of an issue, and how many get it."""

    key: str  # "" is everybody's
    readers: int
    articles: tuple[int, ...]  # ids, the lead first
    language: str
    subject: str


@dataclass(frozen=True)
class Shares:
    """An issue as its readers get it; counted from the ledger once that is written."""

    variants: tuple[Share, ...]  # the most frequent first
    nothing: int  # readers who follow nothing of what is in it, and are skipped
    elsewhere: int = 0  # readers of the list who chose other editions alone; not said once it is written
    outside: int = 0  # readers of the list outside the issue's segment; likewise

    @property
    def readers(self) -> int:
        """How many get a mail."""
        return sum(share.readers for share in self.variants)


@dataclass(frozen=True)
class Proofs:
    """Variants of a content that were printed before it was frozen, by key."""

    content_hash: str
    variants: Mapping[str, Variant]


NO_PROOFS = Proofs("", {})


def press_of(app: App, session: Session, issue: Issue, now: datetime) -> Press:
    """What an issue would be printed with now; the word that marks its blanks is new each time."""
    edition = rows.edition_of(session, issue.edition_id)
    mailing_list = session.get_one(people.MailingList, edition.list)
    word = secrets.token_hex(8)
    printed = partial(render, templates=app.templates, template=edition.template, blank_word=word)
    return Press(
        readying.pictured(app, printed), word, standing_headers(app.config, app.links, mailing_list, issue, now)
    )


def prove(
    app: App,
    issue_id: int,
    press: Press,
    *,
    only: str = "",
    stop: asyncio.Event | None = None,
    progress: Watcher = unwatched,
) -> Proofs:
    """All variants that an approved issue's readers would get now, printed: what can't go out is found before anything
    is fixed. None if it is not what was approved, which freezing refuses. With the filter `only`, theirs whom it means.

    NeedsDecision if one of them must not go out. Stopped when `stop` is set.
    """
    picks: dict[str, Pick] = {}
    with db.reading(app.engine) as session:
        issue = rows.issue_of(session, issue_id)
        content = composing.content_of(session, app.config, app.links, issue)
        if content is None or content_hash(content) != issue.approved_hash:
            return NO_PROOFS
        offer = offered(content, app.templates.languages())
        segment = segments.of_issue(session, issue, app.clock(), only)
        for _, outcome in _outcomes(session, issue, offer, app.clock(), segment):
            if outcome.key and outcome.pick:
                picks.setdefault(outcome.key, outcome.pick)
    printer, ready = Printer(issue_id, content, offer, press, app.clock()), dict[str, Variant]()
    for key, pick in islice(picks.items(), _PROOFS):
        if stop is not None and stop.is_set():
            raise Stopped("stopped before anything was fixed: the same command begins anew")
        ready[key] = printer.variant(pick)
        progress("Variants", len(ready), min(len(picks), _PROOFS))
    return Proofs(issue.approved_hash, ready)


def shares_of(app: App, session: Session, issue_id: int, only: str = "") -> Shares:
    """Which variants the issue has, and how many readers each; of one that is not frozen, as they would be now, those
    alone whom the filter `only` means.

    NothingToDo if the issue is closed without having been frozen.
    """
    issue = rows.issue_of(session, issue_id)
    if issue.audience_complete:
        return _written(session, issue_id)
    content = _shown(app, session, issue)
    offer = offered(content, app.templates.languages())
    readers, picks = Counter[str | None](), {EVERYBODY: offer.everybody}
    list_id, now = _list_of(session, issue), app.clock()
    segment = segments.of_issue(session, issue, now, only)
    everybody = audience.size(session, list_id, now)
    readers[EVERYBODY] = everybody if segment is None else audience.size(session, list_id, now, segment)
    outside, elsewhere = everybody - readers[EVERYBODY], 0
    for wish, outcome in _outcomes(session, issue, offer, now, segment):
        readers[EVERYBODY] -= wish.people
        if outcome.wanted:
            readers[outcome.key] += wish.people
        else:
            elsewhere += wish.people
        if outcome.key and outcome.pick:
            picks.setdefault(outcome.key, outcome.pick)
    nothing = readers.pop(None, 0)
    found = (_share(content, key or "", number, picks[key or ""]) for key, number in readers.items() if number)
    return Shares(tuple(sorted(found, key=_most_first)), nothing, elsewhere, outside)


def _written(session: Session, issue_id: int) -> Shares:
    numbers = dict(reporting.by_variant(session, issue_id))
    nothing = numbers.pop(0, 0)
    its = select(_v.c.id, _v.c.key, _v.c.articles, _v.c.language, *_SUBJECT).where(_v.c.issue_id == issue_id)
    found = (
        Share(row.key, numbers[row.id], tuple(row.articles), row.language, _as_written(row))
        for row in session.execute(its)
        if row.id in numbers
    )
    return Shares(tuple(sorted(found, key=_most_first)), nothing)


def _as_written(row: Row[Any]) -> str:
    """The subject with its merge fields as staff wrote them."""
    return fill(row.subject, row.blank_word, dict.fromkeys(Blank, ""), [*map(str, fields_of(row.fields))])


def _share(content: IssueContent, key: str, readers: int, pick: Pick) -> Share:
    said = content if key == EVERYBODY else said_for(content, pick)
    return Share(key, readers, pick.articles, said.language, said.subject)


def _most_first(share: Share) -> tuple[int, str]:
    return -share.readers, share.key


def _outcomes(
    session: Session, issue: Issue, offer: Offer, now: datetime, segment: ColumnElement[bool] | None
) -> Iterator[tuple[Wish, Outcome]]:
    """What the issue is to those of the segment who have chosen, each different wish once."""
    rule = _rule(session, issue, offer)
    for wish in audience.wishes(session, _list_of(session, issue), now, segment):
        yield wish, rule.outcome(wish.choices, wish.language)


def _rule(session: Session, issue: Issue, offer: Offer) -> Rule:
    editions = select(_e.c.id).where(_e.c.list_id == _list_of(session, issue), _e.c.active)
    return Rule(issue.edition_id, frozenset(session.scalars(editions)), lambda: offer)


def _list_of(session: Session, issue: Issue) -> str:
    return session.get_one(Edition, issue.edition_id).list_id


def _shown(app: App, session: Session, issue: Issue) -> IssueContent:
    content = composing.content_of(session, app.config, app.links, issue)
    if content is None:
        raise NothingToDo(f"issue {issue.id} is {issue.state}: there is nothing to show")
    return content


def stationery_of(
    app: App, issue_id: int, reader: str | None = None, share: Share | None = None
) -> tuple[Stationery, tuple[str, ...], str]:
    """An issue as it would be sent, or as it was, with what is wrong with it, and the id of its list.

    With `reader`, an address, what this one gets of it by their choices, or got. NotFound if they never joined the
    list; NothingToDo if nothing of it is for them. With `share`, that variant.
    """
    with db.reading(app.engine) as session:
        issue = rows.issue_of(session, issue_id)
        list_id = _list_of(session, issue)
        content = _shown(app, session, issue)
        offer = offered(content, app.templates.languages())
        key, pick = EVERYBODY, offer.everybody
        if share is not None:
            key, pick = share.key, Pick(share.articles, share.language)
        elif reader is not None:
            segment = segments.of_issue(session, issue, app.clock())
            key, pick = _of_reader(session, issue, offer, segment, normalise(reader).normalised)
        if issue.inputs is not None:
            kept = session.scalars(select(Variant).where(_v.c.issue_id == issue_id, _v.c.key == key)).first()
            if kept is not None:
                return stored.stationery(session, kept), (), list_id
        press = press_of(app, session, issue, app.clock())
    rendered = press.render(content if key == EVERYBODY else said_for(content, pick))
    with db.reading(app.engine) as session:
        enclosed = stored.enclosed(session, rendered.enclosed)
    parts = rendered.subject, rendered.html, rendered.text
    shown = Stationery(*parts, press.headers, press.blank_word, tuple(rendered.fields), enclosed)
    return shown, rendered.problems, list_id


def fields_for(app: App, stationery: Stationery, reader: str | None) -> tuple[str, ...]:
    """What fills the merge fields for the reader with this address; for nobody, or an unknown one, the defaults."""
    if reader is None or not stationery.fields:
        return stationery.defaults
    asked = select(_p.c.name, _p.c.attributes).where(_p.c.email == normalise(reader).normalised)
    with db.reading(app.engine) as session:
        known = session.execute(asked).one_or_none()
    return values(stationery.fields, known.name, known.attributes) if known else stationery.defaults


def unknown_fields(app: App, stationery: Stationery, list_id: str) -> list[str]:
    """The merge fields that nobody on the list has an attribute for, each in a sentence: most are misspelt."""
    wanted = dict.fromkeys(field.name for field in stationery.fields if field.name != "name")
    with db.reading(app.engine) as session:
        return [
            f"nobody on the list {list_id} has the attribute {name}: everybody gets the default of [[{name}|...]]"
            for name in wanted
            if not _is_known(session, list_id, name)
        ]


def _is_known(session: Session, list_id: str, name: str) -> bool:
    its = (_p.c.id == _l.c.subscriber_id, _l.c.list_id == list_id, _l.c.status == people.Status.CONFIRMED)
    said = or_(*(_p.c.attributes[path].as_string().is_not(None) for path in paths(name)))
    return session.execute(select(_p.c.id).where(*its, said).limit(1)).first() is not None


def _of_reader(
    session: Session, issue: Issue, offer: Offer, segment: ColumnElement[bool] | None, address: str
) -> tuple[str, Pick]:
    """The key and the pick of the variant that the ledger has for this reader, else of what they chose by now."""
    stored = reporting.variant_of(session, issue.id or 0, address)
    if stored is not None:
        variant = session.get(Variant, stored)
        if variant is None:
            raise NothingToDo(f"nothing of issue {issue.id} was for this reader: they follow nothing that is in it")
        return variant.key, Pick(tuple(variant.articles), variant.language)
    wish = audience.wish(session, _list_of(session, issue), address)
    if wish is None:
        raise NotFound(f"there is no reader with this address on the list {_list_of(session, issue)}")
    if segment is not None and not segments.has(session, segment, address):
        raise NothingToDo(f"issue {issue.id} is not for this reader: they are outside its segment")
    outcome = _rule(session, issue, offer).outcome(wish.choices, wish.language)
    if not outcome.wanted:
        raise NothingToDo(f"issue {issue.id} is not for this reader: they chose other editions of the list")
    if outcome.key is None or outcome.pick is None:
        raise NothingToDo(f"nothing of issue {issue.id} is for this reader: they follow nothing that is in it")
    return outcome.key, outcome.pick
