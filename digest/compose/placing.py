"""Where in an issue an article stands: caps and the editor's hand. Nothing is lost, nothing is double."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from digest.compose.candidates import Candidate
from digest.compose.choosing import Counts, Diversity, in_turn, names
from digest.compose.eligibility import Refused
from digest.compose.ranking import Ranked, Scored
from digest.compose.sections import section_of, standing
from digest.config.values import EditionConfig, SectionConfig, SectionMatch
from digest.models import Cause, Override

if TYPE_CHECKING:
    from digest.compose.learning import Guess

LEAD = "lead"  # where an editor moves the article that is to open the issue
NO_HAND: Mapping[int, Override] = {}
NO_GUESSES: Mapping[int, Guess] = {}


@dataclass(frozen=True)
class Place:
    """An article and the section it belongs to."""

    article_id: int
    section_id: str


@dataclass(frozen=True)
class Layout:
    """An issue: its lead, if it has one, the others in reading order, and why each of the rest is left out."""

    lead: Place | None
    others: tuple[Place, ...]
    left_out: Mapping[int, Refused]
    scores: Mapping[int, Scored]  # of every story, as it counted when its turn had come
    problems: tuple[str, ...] = ()  # sentences for the editor
    moved: Mapping[int, str] = field(default_factory=dict)  # why an article does not stand in its own section

    @property
    def places(self) -> tuple[Place, ...]:
        """In reading order, the lead first."""
        return ((self.lead,) if self.lead else ()) + self.others


def by_hand(override: Override | None) -> bool:
    """Whether an editor wants the article in, whatever the rules: it is pinned, or has been given a place."""
    if override is None or override.dropped:
        return False
    return override.pinned or override.section_id is not None or override.position is not None


def place(
    ranked: Sequence[Ranked],
    edition: EditionConfig,
    overrides: Mapping[int, Override] = NO_HAND,
    guesses: Mapping[int, Guess] = NO_GUESSES,
) -> Layout:
    """Every story of `ranked` (best first) in one section, or left out with the reason.

    What an editor wants in is in, and counts towards the caps of the others. A section that comes out shorter than its
    `min` is closed, and its articles stand with the rest, unless an editor put one of them there.
    """
    sections = standing(edition)
    homes = {
        story.article.id: _home(story.article, sections, overrides.get(story.article.id), guesses) for story in ranked
    }
    problems: list[str] = []
    moved: dict[int, str] = {}
    while True:
        layout = _Table(ranked, edition, overrides, homes).laid(tuple(problems), moved)
        closed = _too_short(layout, sections, overrides)
        if not closed:
            return layout
        rest = next(section for section in sections if _takes_the_rest(section))
        problems += [
            f'The section "{section.title}" asks for {section.min} articles at least and would have '
            f'{_shown(layout, section)}: it is not shown, they stand in "{rest.title}".'
            for section in closed
        ]
        leaving = {id_: home for id_, home in homes.items() if home in closed}
        moved |= {id_: f'Its section "{home.title}" has too few to be shown.' for id_, home in leaving.items()}
        homes |= dict.fromkeys(leaving, rest)


def _too_short(
    layout: Layout, sections: Sequence[SectionConfig], overrides: Mapping[int, Override]
) -> list[SectionConfig]:
    wanted = {override.section_id for override in overrides.values() if by_hand(override)}
    return [
        section
        for section in sections
        if not _takes_the_rest(section) and section.id not in wanted and 0 < _shown(layout, section) < section.min
    ]


def _takes_the_rest(section: SectionConfig) -> bool:
    return section.match is None or section.match == SectionMatch()


def _shown(layout: Layout, section: SectionConfig) -> int:
    return sum(spot.section_id == section.id for spot in layout.others)


@dataclass(frozen=True)
class _Table:
    """One attempt to lay the stories out."""

    ranked: Sequence[Ranked]
    edition: EditionConfig
    overrides: Mapping[int, Override]
    homes: Mapping[int, SectionConfig]

    def laid(self, problems: tuple[str, ...], moved: Mapping[int, str]) -> Layout:
        """Places given: to what an editor wants in, to the lead, then in turn."""
        room = _Room(self.edition, self._diversity())
        left_out: dict[int, Refused] = {}
        inside: list[Ranked] = []
        scores: dict[int, Scored] = {}
        foremost = self._lead(story for story in self.ranked if not self._is_low(story))
        for story in self._turns(foremost, room):
            article, hand = story.article, self.overrides.get(story.article.id)
            wanted, home = by_hand(hand), self.homes[article.id]
            counted = story if wanted else room.counted(story)
            scores[article.id] = counted.scored
            refused = None if wanted else _dropped(hand) or room.refuses(story, home)
            if refused is not None:
                left_out[article.id] = refused
                continue
            inside.append(counted)
            room.take(article, home)
        inside.sort(key=lambda story: (-story.scored.score, story.article.url))
        lead = foremost if foremost in {story.article.id for story in inside} else self._lead(inside)
        return Layout(
            self._place(lead) if lead is not None else None,
            tuple(self._reading([story.article.id for story in inside if story.article.id != lead])),
            left_out,
            scores,
            problems,
            moved,
        )

    def _diversity(self) -> Diversity:
        several = len({story.article.source for story in self.ranked}) > 1
        authors = len({names(story.article) for story in self.ranked}) > 1
        return Diversity(self.edition.ranking.diversity, several, authors)

    def _turns(self, lead: int | None, room: _Room) -> Iterator[Ranked]:
        first = [story for story in self.ranked if by_hand(self.overrides.get(story.article.id))]
        first += [story for story in self.ranked if story.article.id == lead and story not in first]
        yield from first
        had = {story.article.id for story in first}
        for story in in_turn([one for one in self.ranked if one.article.id not in had], room.diversity, room.counts):
            had.add(story.article.id)
            yield story
            if room.full:  # no turn is waited for any more
                break
        yield from (story for story in self.ranked if story.article.id not in had)

    def _place(self, article_id: int) -> Place:
        return Place(article_id, self.homes[article_id].id)

    def _reading(self, ids: Sequence[int]) -> Iterator[Place]:
        for section in standing(self.edition):
            inside = [id_ for id_ in ids if self.homes[id_].id == section.id]
            for article_id in _ordered(inside, self.overrides):
                yield self._place(article_id)

    def _is_low(self, story: Ranked) -> bool:
        id_ = story.article.id
        return story.scored.score < _floor(self.edition, self.homes[id_]) and not by_hand(self.overrides.get(id_))

    def _lead(self, stories: Iterable[Ranked]) -> int | None:
        """The editor's choice, else the best with a picture, else the best.

        Never a short one, nor one that was moved elsewhere while there is another, nor what was told before.
        """
        open_: list[tuple[tuple[bool, ...], int]] = []
        for story in stories:
            hand, home = self.overrides.get(story.article.id), self.homes[story.article.id]
            chosen = hand is not None and hand.section_id == LEAD
            if _dropped(hand) or home.style == "short" or (story.told and not chosen):
                continue
            moved = hand is not None and not chosen and (hand.section_id is not None or hand.position is not None)
            open_.append(((not chosen, moved, not story.article.picture), story.article.id))
        return min(open_, key=lambda pair: pair[0])[1] if open_ else None


def _dropped(hand: Override | None) -> Refused | None:
    return Refused(Cause.DROPPED, "An editor dropped it.") if hand is not None and hand.dropped else None


def _home(
    article: Candidate,
    sections: Sequence[SectionConfig],
    override: Override | None,
    guesses: Mapping[int, Guess],
) -> SectionConfig:
    ruled = section_of(article, sections, guesses.get(article.id))
    if override is None or override.section_id is None:
        return ruled
    if override.section_id == LEAD:
        full = [section for section in sections if section.style != "short"]
        return ruled if ruled.style != "short" or not full else full[-1]
    # A section that the edition no longer has: the rules decide again.
    return next((section for section in sections if section.id == override.section_id), ruled)


def _floor(edition: EditionConfig, home: SectionConfig) -> float:
    return edition.ranking.floor if home.floor is None else home.floor


@dataclass
class _Room:
    """What is still free while places are given."""

    edition: EditionConfig
    diversity: Diversity
    sections: Counter[str] = field(default_factory=Counter)
    counts: Counts = field(default_factory=Counts)

    @property
    def full(self) -> bool:
        """Whether the issue has all the articles that it may have."""
        return self.sections.total() >= self.edition.max_articles

    def counted(self, story: Ranked) -> Ranked:
        """The story as it counts beside those that have a place."""
        return self.diversity.scored(story, self.counts)

    def refuses(self, story: Ranked, home: SectionConfig) -> Refused | None:
        """Why there is no place for it. The floor is held against the story alone, whatever stands beside it."""
        ranking, article, floor = self.edition.ranking, story.article, _floor(self.edition, home)
        if story.scored.score < floor:
            whose = "" if home.floor is None else f' of the section "{home.title}"'
            return Refused(Cause.FLOOR, f"Its score of {story.scored.score:g} is below the floor{whose} of {floor:g}.")
        if self.full:
            return Refused(Cause.FULL, f"The issue is full: {self.edition.max_articles} articles at most.")
        if home.max is not None and self.sections[home.id] >= home.max:
            return Refused(Cause.SECTION, f'The section "{home.title}" is full: {home.max} at most.')
        most = ranking.max_per_source
        if most is not None and self.counts.sources[article.source] >= most:
            return Refused(Cause.SOURCE, f"Its source has its share: {most} at most.")
        most = ranking.max_per_author
        if most is not None:
            for author in article.authors:
                if self.counts.authors[author.casefold()] >= most:
                    return Refused(Cause.AUTHOR, f"{author} has their share: {most} at most.")
        return None

    def take(self, article: Candidate, home: SectionConfig) -> None:
        """One place less."""
        self.sections[home.id] += 1
        self.counts.take(article)


def _ordered(ids: Sequence[int], overrides: Mapping[int, Override]) -> list[int]:
    """As ranked, then each one with a position put there; of two at one position, the later decision has it."""
    hands = [(overrides[id_].position, overrides[id_].at, id_) for id_ in ids if id_ in overrides]
    placed = sorted((position, at, id_) for position, at, id_ in hands if position is not None)
    moved = {id_ for _, _, id_ in placed}
    order = [id_ for id_ in ids if id_ not in moved]
    for position, _, id_ in placed:
        order.insert(position, id_)
    return order
