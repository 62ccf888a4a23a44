"""What staff add and take away by hand: sources, lists, articles. What config.toml declares is changed there alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, or_
from sqlmodel import Session, SQLModel, col, select, update

from digest.config.keys import TABLES
from digest.config.kinds import Kind, Wrong, shown
from digest.config.rules import wrong_type
from digest.errors import Declared, NeedsDecision, NotFound, NothingToDo, UsageError
from digest.gather.completing.storing import renamed
from digest.gather.flood import RELEASE
from digest.gather.standing import revived
from digest.gather.storing import standing, store_standing
from digest.gather.urls import canonical_url
from digest.models import Article, Delivery, Edition, Issue, IssueState, Override, Sighting, Source, SourceState, people
from digest.opml import Feed

BY_HAND = "by-hand"
OF_FEED = ("name", "section", "kind", "weight", "language", "max_items", "type", "select", "folder")
BOOST = 10  # times that an article can count at most


def checked(table: str, **given: Any) -> dict[str, Any]:
    """The values of options, held to what config.toml expects of the same keys; UsageError with all that is wrong."""
    keys, read, problems = TABLES[table].keys, {}, []
    for key, value in given.items():
        name = key.removesuffix("_")
        kind = keys[name]
        assert isinstance(kind, Kind)
        try:
            read[TABLES[table].field(name)] = None if value is None else kind.read(value)
        except Wrong as wrong:
            problems.append(f"{name}: expected {wrong.expected}, got {wrong.got or shown(value)}")
    if problems:
        raise UsageError("; ".join(problems))
    return read


def source(session: Session, name: str) -> Source:
    """The source called `name`; NotFound says what there is."""
    found = session.get(Source, name)
    if found is None:
        raise _unknown(session, "source", name, Source)
    return found


def add_source(session: Session, url: str, now: datetime, **given: Any) -> Source:
    """A new source, with an id made of its host when none is given; NothingToDo when the URL is one's already."""
    return _Shelf(session).add(url, now, given)


def refuse_known(session: Session, url: str, name: str | None) -> None:
    """NothingToDo if a source has this URL, UsageError if one has this id: told before anything is fetched."""
    _Shelf(session).refuse(url, name)


class _Shelf:
    """The ids and URLs of the sources there are: read once, however many are added."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._urls = {url: name for name, url in session.exec(select(Source.id, Source.url))}
        self._ids = set(self._urls.values())
        self._tried: dict[str, int] = {}

    def add(self, url: str, now: datetime, given: Mapping[str, Any]) -> Source:
        values = checked("sources", url=url, **given)
        self.refuse(values["url"], values.get("id"))
        values = {key: value for key, value in values.items() if value is not None}
        values["selectors"] = dict(values.pop("select", {}))
        wrong = list(wrong_type(values.get("type", "feed"), values["selectors"], values.get("folder")))
        if wrong:
            raise UsageError("; ".join(f"{key}: {sentence}" for key, sentence in wrong))
        values["id"] = values.get("id") or self._free(_slug(values["url"]))
        added = Source(**values, created_at=now)
        self._session.add(added)
        self._ids.add(added.id)
        self._urls[added.url] = added.id
        return added

    def refuse(self, url: str, name: str | None) -> None:
        known = self._urls.get(url)
        if known is not None:
            raise NothingToDo(f'the source "{known}" has this URL already')
        if name == BY_HAND:
            raise UsageError(f'id: expected another one, "{BY_HAND}" holds the articles that are added by hand')
        if name in self._ids:
            raise UsageError(f'id: expected a new one, got "{name}", which is a source already')

    def has(self, name: str | None) -> bool:
        """Whether a source is called `name`, or none may be."""
        return name in self._ids or name == BY_HAND

    def _free(self, wanted: str) -> str:
        """`wanted`, or the first of wanted-2, wanted-3, ... that is free."""
        if wanted not in self._ids:
            return wanted
        number = self._tried.get(wanted, 1) + 1
        while f"{wanted}-{number}" in self._ids:
            number += 1
        self._tried[wanted] = number
        return f"{wanted}-{number}"


def remove_source(session: Session, name: str) -> bool:
    """Take a source away: True when it is gone, False when it is switched off because articles came from it."""
    row = source(session, name)
    _not_declared("source", row)
    seen = select(Sighting.source_id).where(Sighting.source_id == name)
    if session.exec(select(Article.id).where(Article.source_id == name)).first() or session.exec(seen).first():
        row.active, row.state = False, SourceState.OFF
        return False
    session.delete(row)
    return True


def retry_source(session: Session, name: str) -> Source:
    """The source, asked again from the next look on, whatever kept it from that; NothingToDo if nothing does."""
    row = source(session, name)
    if name == BY_HAND:
        raise NothingToDo(f'"{BY_HAND}" is no feed: it holds the articles that were added by hand')
    if row.active and row.state in (SourceState.NEW, SourceState.OK):
        raise NothingToDo(f'the source "{name}" is {row.state}: `digest gather --source {name}` asks it now')
    store_standing(session, name, revived(standing(row)))
    row.active = True
    session.flush()
    session.refresh(row)
    return row


@dataclass
class Imported:
    """What became of the feeds of an OPML file."""

    added: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)  # line, reason


def import_feeds(session: Session, feeds: Collection[Feed], now: datetime, folders: bool = False) -> Imported:
    """Add what is new; a URL that is there already stays as it is.

    A source that reads a folder of this machine is refused without `folders`: somebody else's file may name any.
    """
    done = Imported()
    shelf = _Shelf(session)
    for feed in sorted(feeds, key=lambda feed: feed.id is None):  # ids that are made must not take one that is given
        given = {key: getattr(feed, key) for key in OF_FEED} | {"id": None if shelf.has(feed.id) else feed.id}
        if feed.type == "folder" and feed.folder and not folders:
            done.bad.append((feed.line, f'it reads the folder "{feed.folder}" of this machine: --folders lets it'))
            continue
        try:
            done.added.append(shelf.add(feed.url, now, given).id)
        except NothingToDo:
            done.known.append(feed.url)
        except UsageError as error:
            done.bad.append((feed.line, str(error)))
    session.flush()
    return done


def mailing_list(session: Session, name: str) -> people.MailingList:
    """The list called `name`; NotFound says what there is."""
    found = session.get(people.MailingList, name)
    if found is None:
        raise _unknown(session, "list", name, people.MailingList)
    return found


def add_list(session: Session, now: datetime, **given: Any) -> people.MailingList:
    """A new list; UsageError when the id is taken."""
    values = checked("lists", **given)
    if session.get(people.MailingList, values["id"]) is not None:
        raise UsageError(f'id: expected a new one, got "{values["id"]}", which is a list already')
    added = people.MailingList(**values, created_at=now)
    session.add(added)
    return added


def members(session: Session, name: str) -> dict[str, int]:
    """How many people stand on a list, by status."""
    columns = (col(people.Subscription.status), func.count())
    rows = session.exec(
        select(*columns).where(people.Subscription.list_id == name).group_by(col(people.Subscription.status)),
    )
    return {str(status): count for status, count in rows}


def remove_list(session: Session, name: str, *, sure: bool) -> bool:
    """Take a list away: True when it is gone, False when it is switched off because something hangs on it.

    NeedsDecision while people would lose what they get, unless `sure`.
    """
    row = mailing_list(session, name)
    _not_declared("list", row)
    confirmed = members(session, name).get(people.Status.CONFIRMED, 0)
    if confirmed and not sure:
        raise NeedsDecision(f'{confirmed:,} people get the list "{name}": --yes switches it off and keeps them.')
    hanging = [Edition, people.Subscription, people.Confirmation, people.Consent, Delivery]
    if any(session.exec(select(col(one.list_id)).where(col(one.list_id) == name).limit(1)).first() for one in hanging):  # type: ignore[attr-defined]
        row.active = False
        return False
    session.delete(row)
    return True


def article(session: Session, name: str) -> Article:
    """The article of that number or URL."""
    if name.isascii() and name.isdigit():
        found = session.get(Article, int(name)) if len(name) < 19 else None
    else:
        same = or_(col(Article.url) == name, col(Article.canonical_url) == name)
        found = session.exec(select(Article).where(same)).first()
    if found is None:
        raise NotFound(f'there is no article "{name}" (digest articles list shows them)')
    return found


def hide_article(session: Session, name: str) -> Article:
    """The article, out of every issue from now on, an open one that an editor had put it into included.

    An approved issue with it can't go out before it is approved again. NothingToDo if it is hidden already.
    """
    row = article(session, name)
    if row.hidden:
        raise NothingToDo(f"article {row.id} is hidden already")
    row.hidden = True
    unsent = select(Issue.id).where(col(Issue.state).in_([IssueState.DRAFT, IssueState.APPROVED, IssueState.HELD]))
    wanted = update(Override).where(col(Override.article_id) == row.id, col(Override.issue_id).in_(unsent))
    session.exec(wanted.values(pinned=False, section_id=None, position=None))
    return row


def show_article(session: Session, name: str) -> Article:
    """The article, no longer hidden; NothingToDo if it was not."""
    row = article(session, name)
    if not row.hidden:
        raise NothingToDo(f"article {row.id} is not hidden")
    row.hidden = False
    return row


def boost_article(session: Session, name: str, factor: float) -> Article:
    """The article, whose score is multiplied by `factor` (0 to 10) from now on; 1 leaves it to the ranking."""
    row = article(session, name)
    if not 0 <= factor <= BOOST:
        raise UsageError(f"boost: expected a number from 0 to {BOOST}, got {factor:g}")
    if row.boost == factor:
        raise NothingToDo(f"article {row.id} counts {factor:g} times already")
    row.boost = factor
    return row


def release_article(session: Session, name: str, now: datetime) -> Article:
    """The article, which was held for a person, let in from now on; NothingToDo if it was not."""
    row = article(session, name)
    if row.held_for is None:
        raise NothingToDo(f"article {row.id} is not held")
    if RELEASE in row.held_for:
        of = source(session, row.source_id)
        of.held = max(0, of.held - 1)
    _let_in(row, now)
    return row


def release_source(session: Session, name: str, now: datetime) -> int:
    """Let in all that waits for a person, and what the source brings from now on; how many articles that were.

    What is held for its age stays out.
    """
    row = source(session, name)
    held = session.exec(select(Article).where(Article.source_id == name, col(Article.held_for).is_not(None))).all()
    if row.held_for is None and not row.held:
        raise NothingToDo(f'nothing of the source "{name}" is held')
    waiting = [one for one in held if one.held_for and RELEASE in one.held_for]
    for one in waiting:
        _let_in(one, now)
    row.held_for, row.held = None, 0
    return len(waiting)


def _let_in(row: Article, now: datetime) -> None:
    """Available from now: issues were cut while it was held."""
    row.held_for, row.available_at = None, max(row.available_at, now)


def add_article(session: Session, url: str, now: datetime, **given: Any) -> Article:
    """An article that no feed brought, of the source on its host or of the source "by-hand"."""
    address = checked("sources", url=url)["url"]
    name = canonical_url(address)
    if session.exec(select(Article).where(Article.canonical_url == name)).first() or renamed(session, [name]):
        raise NothingToDo("this article is there already")
    published = given.pop("published_at", None)
    added = Article(
        canonical_url=name,
        url=address,
        source_id=_source_of(session, address, now).id,
        first_seen_at=now,
        published_at=published or now,
        available_at=max(published or now, now),
        previous_look_at=now,
        added_by_hand=True,
        **given,
    )
    session.add(added)
    return added


def _source_of(session: Session, url: str, now: datetime) -> Source:
    host = urlsplit(url).hostname
    for row in session.exec(select(Source).order_by(col(Source.id))):
        if urlsplit(row.url).hostname == host:
            return row
    found = session.get(Source, BY_HAND)
    if found is None:
        found = Source(id=BY_HAND, url="about:blank", active=False, state=SourceState.OFF, created_at=now)
        session.add(found)
        session.flush()
    return found


def _not_declared(word: str, row: Any) -> None:
    if row.declared_line is not None:
        raise Declared(f'the {word} "{row.id}" is declared in line {row.declared_line} of config.toml: change it there')


def _unknown(session: Session, word: str, name: str, model: type[SQLModel]) -> NotFound:
    known = sorted(session.exec(select(model.id)).all())  # type: ignore[attr-defined]
    return NotFound(f'there is no {word} "{name}" ({", ".join(known[:20]) or "there is none"})')


def _slug(url: str) -> str:
    host = (urlsplit(url).hostname or "source").removeprefix("www.")
    return re.sub(r"[^a-z0-9.-]", "-", host.lower()).strip(".-")[:58] or "source"
