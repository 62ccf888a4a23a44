"""Where in an issue an article stands: rules, caps and the editor's hand. Nothing is lost, nothing is double."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from digest.compose.candidates import Candidate
from digest.compose.folding import folded
from digest.compose.ranking import Ranked
from digest.config.values import EditionConfig, SectionConfig, SectionMatch
from digest.models import Override, SectionBy

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
    """An issue in reading order, the lead first, and the sentence why each of the others is left out.

    The first place is the lead unless its section is a short one: then the issue has no lead.
    """

    places: tuple[Place, ...]
    left_out: Mapping[int, str]


def standing(edition: EditionConfig) -> tuple[SectionConfig, ...]:
    """The edition's sections; "More" for everything else is added if none of them takes the rest."""
    if any(_takes_the_rest(section) for section in edition.sections):
        return edition.sections
    ids = {section.id for section in edition.sections}
    free = next(name for name in ("more", *(f"more-{n}" for n in range(2, len(ids) + 3))) if name not in ids)
    return (*edition.sections, SectionConfig(free, "More"))


def section_of(article: Candidate, sections: Sequence[SectionConfig], guess: Guess | None = None) -> SectionConfig:
    """The first section whose rule fits, else the guessed one, else the one that takes the rest; there must be one."""
    section = ruled(article, sections) or _guessed(sections, guess)
    return section or next(section for section in sections if _takes_the_rest(section))


def ruled(article: Candidate, sections: Sequence[SectionConfig]) -> SectionConfig | None:
    """The first section whose rule fits; None if no rule does."""
    return next((one for one in sections if one.match is not None and fits(article, one.match)), None)


def settled_by(
    article: Candidate, sections: Sequence[SectionConfig], override: Override | None, guess: Guess | None
) -> SectionBy:
    """Who decided on the section that the article stands in."""
    if override is not None and any(section.id == override.section_id for section in sections):
        return SectionBy.EDITOR
    if ruled(article, sections):
        return SectionBy.RULE
    return SectionBy.LEARNED if _guessed(sections, guess) else SectionBy.REST


def _guessed(sections: Sequence[SectionConfig], guess: Guess | None) -> SectionConfig | None:
    return next((section for section in sections if guess and section.id == guess.section_id), None)


def _takes_the_rest(section: SectionConfig) -> bool:
    return section.match is None or section.match == SectionMatch()


def fits(article: Candidate, rule: SectionMatch) -> bool:
    """Whether every key of the rule that is given has a value that fits; a rule without keys fits nothing."""
    given = [
        (rule.source, _any(rule.source, [article.source])),
        (rule.section, _any(rule.section, [article.section])),
        (rule.category, _any(rule.category, article.categories)),
        (rule.kind, _any(rule.kind, [article.kind])),
        (rule.kicker, _any(map(_barred, rule.kicker), _kickers(article))),
        (rule.author, _any(rule.author, article.authors)),
        (rule.keyword, _words(rule.keyword, f"{article.title}\n{article.dek}")),
        (rule.path, _path(article.link).startswith(tuple(map(folded, rule.path)))),
    ]
    asked = [fit for values, fit in given if values]
    return bool(asked) and all(asked)


def _any(wanted: Iterable[str], present: Iterable[str]) -> bool:
    return not set(map(folded, wanted)).isdisjoint(map(folded, present))


def _kickers(article: Candidate) -> Iterable[str]:
    halves = article.kind, article.section
    return [" | ".join(halves), *(half for half in halves if half)]


def _barred(kicker: str) -> str:
    return " | ".join(half.strip() for half in kicker.split("|"))


def _words(keywords: Iterable[str], text: str) -> bool:
    read = folded(text)
    return any(re.search(_pattern(folded(keyword)), read) for keyword in keywords)


def _pattern(keyword: str) -> str:
    start = keyword.rstrip("*")  # "migra*": any word that begins so
    return rf"(?<!\w){re.escape(start)}" + ("" if start != keyword and start else r"(?!\w)")


def _path(link: str) -> str:
    try:
        path = urlsplit(link).path
    except ValueError:  # a host that is no host: such an article has no path
        path = ""
    return folded(unquote(path)).rstrip("/") + "/"


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

    What an editor wants in is in, and counts towards the caps of the others.
    """
    sections = standing(edition)
    homes = {
        story.article.id: _home(story.article, sections, overrides.get(story.article.id), guesses) for story in ranked
    }
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
