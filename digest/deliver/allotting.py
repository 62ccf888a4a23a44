"""Which variant each reader of an issue gets, remembered by what they chose; what has to be printed for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from digest.compose.selecting import EVERYBODY, Offer, Pick, chosen_by, key, wants_edition
from digest.deliver.slicing import BAND, NOBODYS
from subscribers.audience import NO_CHOICES, Member
from subscribers.choices import read

_REMEMBERED = 10_000  # wishes
_SHORT = 2_000  # characters of a wish that is remembered: 20 MB at most


class Outcome(NamedTuple):
    """What an issue is to a reader: whether of an edition they get, and which variant; None: nothing is for them."""

    wanted: bool
    key: str | None
    pick: Pick | None


_USUAL = Outcome(True, EVERYBODY, None)


@dataclass(frozen=True)
class Rule:
    """How wishes become outcomes; `offer` is asked for only if somebody has chosen articles or a language."""

    edition_id: str
    editions: Collection[str]  # of the list
    offer: Callable[[], Offer]

    def outcome(self, stored: str, language: str | None) -> Outcome:
        """What the issue is to readers with these choices, as `Subscription.choices` has them."""
        choices = read(json.loads(stored))
        if not wants_edition(choices, self.edition_id, self.editions):
            return Outcome(False, None, None)
        offer = self.offer()
        pick = chosen_by(offer, choices, language)
        return Outcome(True, key(offer, pick) if pick else None, pick)


@dataclass
class Allotment:
    """The variants of one issue, as far as they are stored, and who gets which."""

    rule: Rule
    ids: dict[str, int]  # by key, first made first
    missing: dict[str, Pick] = field(default_factory=dict)  # by key: to be printed before rows are written
    _known: dict[tuple[str, str | None], Outcome] = field(default_factory=dict)

    def outcome(self, member: Member) -> Outcome:
        """What the issue is to this reader; a variant that is not there yet is `missing` from now on."""
        if member.choices == NO_CHOICES and member.language is None:
            return _USUAL
        wish = (member.choices, member.language)
        found = self._known.get(wish)
        if found is None:
            found = self.rule.outcome(*wish)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(member.choices) <= _SHORT:
                self._known[wish] = found
        if found.key is not None and found.pick is not None and found.key not in self.ids:
            self.missing[found.key] = found.pick
        return found

    def stored(self, name: str, variant_id: int) -> None:
        """The variant `name` has this number: it is missing no more."""
        self.ids[name] = variant_id
        self.missing.pop(name, None)

    def numbers(self) -> Mapping[str | None, int]:
        """The number of each variant by key; 0 for those who get nothing."""
        return dict[str | None, int](self.ids) | {None: 0}

    def bands(self) -> Mapping[str | None, int]:
        """The band of each variant by key, and of those who get nothing."""
        bands: dict[str | None, int] = {key: place // BAND for place, key in enumerate(self.ids)}
        return bands | {None: NOBODYS}
