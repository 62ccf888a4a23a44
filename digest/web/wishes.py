"""The page of choices as a form, and what is posted as wishes: only fields that the page has are looked at (S-B4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from digest.compose.offers import Offer
from digest.web.forms import Form
from subscribers.choices import Choices, chosen
from subscribers.models import Status
from subscribers.preferences import Place, Reader, Wishes

WEEKS = (1, 2, 4, 8, 12)  # how long a pause can be


@dataclass(frozen=True)
class Pick:
    """One line to choose in: `state` is "follow", "mute" or "" (as it comes)."""

    field: str
    label: str
    state: str


@dataclass(frozen=True)
class Card:
    """A list as the page shows it."""

    place: Place
    on: bool
    waiting: bool  # asked to join, has not said yes to the mail
    editions: tuple[tuple[str, str, bool], ...]  # id, title, whether it is sent; none where there is one only
    sections: tuple[Pick, ...]
    authors: tuple[Pick, ...]
    follow: str  # names beyond the authors offered, with commas
    mute: str


def card(place: Place, offer: Offer) -> Card:
    """How the page shows a list."""
    had = place.choices
    known = {name.casefold() for name in offer.authors}
    editions = offer.editions if len(offer.editions) > 1 else ()
    return Card(
        place,
        on=place.status == Status.CONFIRMED,
        waiting=place.status == Status.PENDING,
        editions=tuple((one, title, not had.editions or one in had.editions) for one, title in editions),
        sections=tuple(
            Pick(f"section:{place.list_id}:{one}", title, _state(one, had.sections, had.muted_sections))
            for one, title in offer.sections
        ),
        authors=tuple(
            Pick(
                f"author:{place.list_id}:{name.casefold()}",
                name,
                _state(name.casefold(), had.authors, had.muted_authors),
            )
            for name in offer.authors
        ),
        follow=", ".join(name for name in had.authors if name not in known),
        mute=", ".join(name for name in had.muted_authors if name not in known),
    )


def wishes(form: Form, reader: Reader, offers: Mapping[str, Offer], languages: Iterable[str], now: datetime) -> Wishes:
    """What the posted page asks for; a list or a line that was not on it stays as it is."""
    places = {place.list_id: place for place in reader.places}
    shown = [place for one, place in places.items() if one in form.every("shown")]
    on = set(form.every("on"))
    language = form.one("language")
    return Wishes(
        name=form.one("name") if "name" in form.fields else None,
        language=language if "language" in form.fields and language in {"", *languages} else None,
        join=frozenset(place.list_id for place in shown if place.list_id in on),
        leave=frozenset(
            place.list_id for place in shown if place.list_id not in on and place.status == Status.CONFIRMED
        ),
        choices={place.list_id: _choices(form, place, offers[place.list_id]) for place in shown},
        pauses={place.list_id: _pause(form.one(f"pause:{place.list_id}"), place, now) for place in shown},
    )


def _state(name: str, followed: tuple[str, ...], muted: tuple[str, ...]) -> str:
    return "mute" if name in muted else "follow" if name in followed else ""


def _choices(form: Form, place: Place, offer: Offer) -> Choices:
    had, list_id = place.choices, place.list_id
    sections = _picked(
        form, f"section:{list_id}:", [one for one, _ in offer.sections], had.sections, had.muted_sections
    )
    authors = _picked(
        form, f"author:{list_id}:", [name.casefold() for name in offer.authors], had.authors, had.muted_authors
    )
    known = {name.casefold() for name in offer.authors}
    for place_, field in enumerate((f"follow:{list_id}", f"mute:{list_id}")):
        if field in form.fields:
            authors[place_].intersection_update(known)
            authors[place_].update(name.strip().casefold() for name in re.split("[,;\n]", form.one(field)))
    return chosen(
        sections=sections[0] - sections[1],
        authors=authors[0] - authors[1],
        muted_sections=sections[1],
        muted_authors=authors[1],
        editions=_editions(form, place, offer),
    )


def _picked(
    form: Form, prefix: str, names: list[str], followed: tuple[str, ...], muted: tuple[str, ...]
) -> tuple[set[str], set[str]]:
    both = set(followed), set(muted)
    for name in names:
        if prefix + name in form.fields:
            for kept, word in zip(both, ("follow", "mute"), strict=True):
                (kept.add if form.one(prefix + name) == word else kept.discard)(name)
    return both


def _editions(form: Form, place: Place, offer: Offer) -> Iterable[str]:
    known = [one for one, _ in offer.editions]
    if len(known) < 2 or f"editions:{place.list_id}" not in form.fields:
        return place.choices.editions
    wanted = [one for one in known if one in form.every(f"edition:{place.list_id}")]
    return wanted if len(wanted) < len(known) else ()  # none ticked is all: who wants none leaves the list


def _pause(posted: str, place: Place, now: datetime) -> datetime | None:
    if posted == "0":
        return None
    weeks = int(posted) if posted in map(str, WEEKS) else 0
    return now + timedelta(weeks=weeks) if weeks else place.paused_until
