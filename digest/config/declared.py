"""The [[...]] tables of config.toml, applied to the database by id: they create and update, and never delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlmodel import Session, SQLModel, select

from digest.config.stored import edition_to_json
from digest.config.values import Config, EditionConfig, ListConfig, SourceConfig
from digest.models import Edition, Source, SourceState, people

# A source at another address, or read in another way, is another one: nothing known of the old one holds.
_PLACE = ("url", "type", "selectors", "folder")
_FORGOTTEN: Mapping[str, Any] = {
    "state": SourceState.NEW,
    "etag": None,
    "last_modified": None,
    "validator_url": None,
    "next_look_at": None,
    "failures": 0,
    "error": None,
    "status": None,
    "moved_to": None,
    "moved_count": 0,
    "moved_since": None,
    "moved_from": None,
    "fresh_until": None,
    "ttl_s": None,
    "skip_hours": [],
    "skip_days": [],
    "lost_since": None,
    "answered_url": None,
    "feed_title": "",
    "ids_trusted": True,
    "quiet_after": None,
}


def differs(session: Session, config: Config, now: datetime) -> bool:
    """Whether `apply` would change anything; changes nothing itself, so a start can go without a writer's lock."""
    return any(_changes(session, *each).rows for each in _declared(config, now))


def apply(session: Session, config: Config, now: datetime) -> list[str]:
    """Bring lists, sources and editions of the file into the database; a sentence for each surprise.

    Nothing is deleted: what is no longer in the file is switched off and from then on belongs to the command line.
    Rows added by command stay as they are, unless the file now holds their id: then the file's word counts.
    """
    said: list[str] = []
    for each in _declared(config, now):
        changes = _changes(session, *each)
        for row, values in changes.rows:
            for key, value in values.items():
                setattr(row, key, value)
            session.add(row)
        session.flush()  # a list must be there before the edition that points at it
        said += changes.said
    return said


@dataclass
class _Changes:
    rows: list[tuple[SQLModel, Mapping[str, Any]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


_Rows = Sequence[tuple[str, dict[str, Any]]]


def _declared(config: Config, now: datetime) -> list[tuple[str, type[SQLModel], _Rows]]:
    return [
        ("list", people.MailingList, [(one.id, _list(one, now)) for one in config.lists]),
        ("source", Source, [(one.id, _source(one, now)) for one in config.sources]),
        ("edition", Edition, [(one.id, _edition(one)) for one in config.editions]),
    ]


def _list(one: ListConfig, now: datetime) -> dict[str, Any]:
    return {
        "title": one.title,
        "description": one.description,
        "public": one.public,
        "sender": one.sender,
        "reply_to": one.reply_to,
        "welcome": one.welcome,
        "goodbye": one.goodbye,
        "declared_line": one.line,
        "created_at": now,
    }


def _source(one: SourceConfig, now: datetime) -> dict[str, Any]:
    return {
        "url": one.url,
        "type": one.type,
        "selectors": dict(one.select),
        "folder": one.folder,
        "name": one.name,
        "section": one.section,
        "kind": one.kind,
        "weight": one.weight,
        "language": one.language,
        "max_items": one.max_items,
        "full_pages": one.full_pages,
        "declared_line": one.line,
        "created_at": now,
    }


def _edition(one: EditionConfig) -> dict[str, Any]:
    settings = edition_to_json(one)
    return {"list_id": one.list, "title": one.title, "declared_line": one.line, "settings": settings}


def _changes(session: Session, word: str, model: type[SQLModel], declared: _Rows) -> _Changes:
    rows: dict[str, Any] = {cast(Any, row).id: row for row in session.exec(select(model))}
    changes = _Changes()
    for name, values in declared:
        row = rows.pop(name, None)
        if row is None:
            changes.rows.append((model(id=name, **values), {}))
            continue
        if row.declared_line is None:
            line = values["declared_line"]
            changes.said.append(f'{word} "{name}": line {line} of config.toml takes over the row of the database')
        if new := _new(row, values):
            changes.rows.append((row, new))
    for name, row in rows.items():
        if row.declared_line is not None:
            changes.said.append(f'{word} "{name}": switched off, as config.toml no longer holds it')
            changes.rows.append((row, _off(row)))
    return changes


def _new(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be set on a row that the file holds: only what differs."""
    wanted = {key: value for key, value in values.items() if key != "created_at"} | {"active": True}
    if isinstance(row, Source) and row.active and row.moved_from == wanted["url"]:
        wanted["url"] = row.url  # the address that the file holds sent us on for good (E-06)
    if isinstance(row, Source) and (not row.active or any(getattr(row, key) != wanted[key] for key in _PLACE)):
        wanted |= _FORGOTTEN
    elif isinstance(row, Source) and not wanted["name"]:
        del wanted["name"]  # what the feed calls itself
    return {key: value for key, value in wanted.items() if getattr(row, key) != value}


def _off(row: Any) -> dict[str, Any]:
    off: dict[str, Any] = {"active": False, "declared_line": None}
    return off | {"state": SourceState.OFF} if isinstance(row, Source) else off
