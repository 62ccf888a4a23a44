"""Where in an issue an article stands: caps and the editor's hand. Nothing is lost, nothing is double."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from digest.compose.candidates import Candidate
from digest.compose.ranking import Ranked
from digest.compose.sections import section_of, standing
from digest.config.values import EditionConfig, SectionConfig
from digest.models import Override

LEAD = "lead"  # where an editor moves the article that is to open the issue
NO_HAND: Mapping[int, Override] = {}


@dataclass(frozen=True)
class Place:
    """An article and the section it belongs to."""

    article_id: int
    section_id: str


@dataclass(frozen=True)
class Layout:
    """An issue in reading order, the lead first, and the sentence why each of the others is left out.

    The first place is the lead unless its section is a short one: then the issue has no lead.
    """

    places: tuple[Place, ...]
    left_out: Mapping[int, str]


def by_hand(override: Override | None) -> bool:
    """Whether an editor wants the article in, whatever the rules: it is pinned, or has been given a place."""
    if override is None or override.dropped:
        return False
    return override.pinned or override.section_id is not None or override.position is not None


def place(ranked: Sequence[Ranked], edition: EditionConfig, overrides: Mapping[int, Override] = NO_HAND) -> Layout:
    """Every story of `ranked` (best first) in one section, or left out with the reason.

    What an editor wants in is in, and counts towards the caps of the others.
    """
    sections = standing(edition)
    homes = {story.article.id: _home(story.article, sections, overrides.get(story.article.id)) for story in ranked}
    room = _Room(edition)
    lead = _lead(ranked, edition, overrides, homes)
    left_out: dict[int, str] = {}
    inside: set[int] = set()
    for story in sorted(ranked, key=lambda story: _turn(story, lead, overrides)):
        article, hand = story.article, overrides.get(story.article.id)
        reason = "An editor dropped it." if hand and hand.dropped else None
        if reason is None and not by_hand(hand):
            reason = room.refuses(story, homes[article.id])
        if reason is not None:
            left_out[article.id] = reason
            continue
        inside.add(article.id)
        room.take(article, homes[article.id])
    return Layout(
        tuple(_reading([story for story in ranked if story.article.id in inside], edition, overrides, homes)), left_out
    )


def _reading(
    inside: Sequence[Ranked],
    edition: EditionConfig,
    overrides: Mapping[int, Override],
    homes: Mapping[int, SectionConfig],
) -> Iterable[Place]:
    lead = _lead(inside, edition, overrides, homes)
    if lead is not None:
        yield Place(lead, homes[lead].id)
    for section in standing(edition):
        ids = [
            story.article.id
            for story in inside
            if homes[story.article.id].id == section.id and story.article.id != lead
        ]
        for article_id in _ordered(ids, overrides):
            yield Place(article_id, section.id)


def _turn(story: Ranked, lead: int | None, overrides: Mapping[int, Override]) -> tuple[bool, bool]:
    # By hand first, then the lead, then as ranked (the sort is stable).
    return not by_hand(overrides.get(story.article.id)), story.article.id != lead


def _home(article: Candidate, sections: Sequence[SectionConfig], override: Override | None) -> SectionConfig:
    ruled = section_of(article, sections)
    if override is None or override.section_id is None:
        return ruled
    if override.section_id == LEAD:
        full = [section for section in sections if section.style != "short"]
        return ruled if ruled.style != "short" or not full else full[-1]
    # A section that the edition no longer has: the rules decide again.
    return next((section for section in sections if section.id == override.section_id), ruled)


def _lead(
    ranked: Sequence[Ranked],
    edition: EditionConfig,
    overrides: Mapping[int, Override],
    homes: Mapping[int, SectionConfig],
) -> int | None:
    """The editor's choice, else the best with a picture, else the best; never a short one, nor one moved elsewhere."""
    open_: list[tuple[tuple[bool, ...], int]] = []
    for story in ranked:
        hand = overrides.get(story.article.id)
        dropped = hand is not None and hand.dropped
        low = story.scored.score < edition.ranking.floor and not by_hand(hand)
        if dropped or low or homes[story.article.id].style == "short":
            continue
        chosen = hand is not None and hand.section_id == LEAD
        moved = hand is not None and not chosen and (hand.section_id is not None or hand.position is not None)
        open_.append(((not chosen, moved, not story.article.picture), story.article.id))
    return min(open_, key=lambda pair: pair[0])[1] if open_ else None


@dataclass
class _Room:
    """What is still free while places are given."""

    edition: EditionConfig
    sections: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)

    def refuses(self, story: Ranked, home: SectionConfig) -> str | None:
        ranking, article = self.edition.ranking, story.article
        if story.scored.score < ranking.floor:
            return f"Its score of {story.scored.score:g} is below the floor of {ranking.floor:g}."
        if self.sections.total() >= self.edition.max_articles:
            return f"The issue is full: {self.edition.max_articles} articles at most."
        if home.max is not None and self.sections[home.id] >= home.max:
            return f'The section "{home.title}" is full: {home.max} at most.'
        if ranking.max_per_source is not None and self.sources[article.source] >= ranking.max_per_source:
            return f"Its source has its share: {ranking.max_per_source} at most."
        if ranking.max_per_author is not None:
            for author in article.authors:
                if self.authors[author.casefold()] >= ranking.max_per_author:
                    return f"{author} has their share: {ranking.max_per_author} at most."
        return None

    def take(self, article: Candidate, home: SectionConfig) -> None:
        self.sections[home.id] += 1
        self.sources[article.source] += 1
        self.authors.update({author.casefold() for author in article.authors})


def _ordered(ids: Sequence[int], overrides: Mapping[int, Override]) -> list[int]:
    """As ranked, then each one with a position put there; of two at one position, the later decision has it."""
    hands = [(overrides[id_].position, overrides[id_].at, id_) for id_ in ids if id_ in overrides]
    placed = sorted((position, at, id_) for position, at, id_ in hands if position is not None)
    moved = {id_ for _, _, id_ in placed}
    order = [id_ for id_ in ids if id_ not in moved]
    for position, _, id_ in placed:
        order.insert(position, id_)
    return order
