"""An issue laid out from what is stored: candidates, stories, scores, places, content. A step: it never commits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert
from sqlmodel import Session, col

from digest.compose import learned, rows, signals
from digest.compose.building import build, titled
from digest.compose.candidates import Candidate, Looked, candidate
from digest.compose.content import IssueContent, content_hash
from digest.compose.eligibility import Refused, named, not_eligible, taken, window
from digest.compose.placing import Layout, by_hand, place
from digest.compose.ranking import Ranked, rank, retold
from digest.compose.sections import settled_by, standing
from digest.compose.stories import Told, stories
from digest.config.values import Config, EditionConfig
from digest.links import Links
from digest.models import Cause, Issue, Override, Placement, SectionBy, table

if TYPE_CHECKING:
    from digest.compose.learning import Guess

_AT_ONCE = 1_000  # placements that are held as they are written


@dataclass(frozen=True)
class Laid:
    """What an issue says now, how many articles have a place, and a sentence for each thing to look at."""

    content: IssueContent
    placed: int
    problems: tuple[str, ...]
    articles: Mapping[int, Looked]  # all that it looked at, by id


@dataclass(frozen=True)
class _Pool:
    candidates: tuple[Candidate, ...]
    refused: Mapping[int, Refused]
    seen: Mapping[int, datetime]  # when an article became available
    rolled: Mapping[int, str]  # where what is rolled over comes from, a sentence
    articles: Mapping[int, Looked]


def lay(session: Session, config: Config, links: Links, edition: EditionConfig, issue: Issue) -> Laid:
    """Lay the issue out anew between its window's ends, with every override of its editor.

    The caller holds the edition's lock. Equal rows give an equal issue, however often it is laid out. Placements,
    subject, preheader and hash are stored.
    """
    assert issue.id is not None
    overrides = rows.overrides_of(session, issue.id)
    pool = _pool(session, edition, issue, overrides)
    said = signals.gathered(session, edition, issue, pool.candidates, overrides)
    telling, again = retold(stories(pool.candidates, rows.earlier(session, issue)), said)
    pool = replace(pool, refused={**pool.refused, **again})
    ranked = rank(telling, edition.ranking, issue.window_end, said)
    guesses = learned.guesses(session, edition, [story.article for story in ranked])
    layout = place(ranked, edition, overrides, guesses)
    settled = _settled(ranked, layout, edition, overrides, guesses)
    _store(session, issue, _placements(issue, pool, ranked, layout, settled))
    material = rows.material_of(session, config, edition, issue)
    automatic, problem = titled(build(material, links), edition.subject)
    issue.subject, issue.preheader = automatic.subject, automatic.preheader
    content = build(material, links)
    issue.content_hash = content_hash(content)
    session.add(issue)
    session.flush()
    wrong = [problem] if problem and layout.places and not issue.subject_override else []
    return Laid(content, len(layout.places), (*wrong, *layout.problems), pool.articles)


def _pool(session: Session, edition: EditionConfig, issue: Issue, overrides: Mapping[int, Override]) -> _Pool:
    looked = window(issue.window_start, issue.window_end, edition.window_days)
    elsewhere = rows.taken_by_others(session, issue)
    rolling = [*rows.rolling(session, issue, edition.ranking.roll_over), *rows.passed_over(session, issue)]
    rolled = {rolled.article.id: _rolled(rolled) for rolled in rolling}
    inside = rows.looked_at(session, looked, [*overrides])
    both = {one.id: one for one in (*inside, *(one.article for one in rolling))}
    candidates, refused, seen = [], {}, {}
    for article in sorted(both.values(), key=lambda article: article.canonical_url):
        seen[article.id] = article.available_at
        other = elsewhere.get(article.id)
        reason = taken(other.number, other.issue_id) if other else None
        if reason is None and not by_hand(overrides.get(article.id)):
            reason = not_eligible(article, looked, rolled=article.id in rolled)
        if reason is None:
            candidates.append(candidate(article))
        else:
            refused[article.id] = reason
    return _Pool(tuple(candidates), refused, seen, rolled, both)


def _rolled(rolling: rows.Rolling) -> str:
    if rolling.cancelled:
        was = named(rolling.number, rolling.issue_id)
        return f"It comes from {was}, which was cancelled after a later one had gone out."
    return f"It is rolled over from {named(rolling.number, rolling.issue_id)}, where there was no room for it."


def _placements(
    issue: Issue, pool: _Pool, ranked: Iterable[Ranked], layout: Layout, settled: Mapping[int, Mapping[str, object]]
) -> Iterable[dict[str, object]]:
    start = 0 if layout.lead else 1
    place_of = {spot.article_id: (number, spot) for number, spot in enumerate(layout.places, start)}
    for article_id, refused in pool.refused.items():
        yield _row(issue, pool, article_id, cause=refused.cause, left_out=refused.sentence)
    for story in ranked:
        article, scored = story.article, layout.scores[story.article.id]
        known = {"score": scored.score, "reasons": scored.plain(), "also": _also(story), "notes": _notes(pool, story)}
        if article.id in place_of:
            position, spot = place_of[article.id]
            also_said = [layout.moved[article.id]] if article.id in layout.moved else []
            known["notes"] = [*also_said, *_notes(pool, story)]
            known |= settled[article.id]
            yield _row(issue, pool, article.id, **known, position=position, section_id=spot.section_id)
            cause = Cause.STORY
        else:
            refused = layout.left_out[article.id]
            yield _row(issue, pool, article.id, **known, cause=refused.cause, left_out=refused.sentence)
            cause = refused.cause  # what its story is left out for, it is left out for, too
        for other, points in story.others:
            same = f'It tells the same story as "{article.title}" ({article.source_name}).'
            notes = [pool.rolled[other.id]] if other.id in pool.rolled else []
            told = {"score": points.score, "reasons": points.plain(), "notes": notes}
            yield _row(issue, pool, other.id, **told, cause=cause, left_out=same)


def _notes(pool: _Pool, story: Ranked) -> list[str]:
    said = [pool.rolled.get(story.article.id), _told(story.told) if story.told else None]
    return [sentence for sentence in said if sentence]


def _told(told: Told) -> str:
    return f'Its story was told in {named(told.number, told.issue_id)}, as "{told.title}": it can\'t lead.'


def _settled(
    ranked: Iterable[Ranked],
    layout: Layout,
    edition: EditionConfig,
    overrides: Mapping[int, Override],
    guesses: Mapping[int, Guess],
) -> Mapping[int, Mapping[str, object]]:
    """Who decided on the section of each article that has a place."""
    placed = {spot.article_id for spot in layout.places}
    sections, found = standing(edition), {}
    for article in (story.article for story in ranked if story.article.id in placed):
        guess = guesses.get(article.id)
        by = settled_by(article, sections, overrides.get(article.id), guess)
        by = SectionBy.REST if article.id in layout.moved else by
        sure = {"confidence": guess.confidence, "learned_from": guess.learned_from} if guess else {}
        found[article.id] = {"section_by": by, **(sure if by == SectionBy.LEARNED else {})}
    return found


def _row(issue: Issue, pool: _Pool, article_id: int, **known: object) -> dict[str, object]:
    # First laid out when it was made: what became available since is new to whoever saw that draft.
    blank: dict[str, object] = {"section_id": "", "section_by": "", "confidence": None, "learned_from": None}
    blank |= {"position": 0, "score": 0.0, "reasons": [], "also": [], "notes": []}
    blank |= {"left_out": None, "cause": Cause.NONE}
    is_new = pool.seen[article_id] >= issue.created_at
    return {**blank, **known, "issue_id": issue.id, "article_id": article_id, "is_new": is_new}


def _also(story: Ranked) -> list[dict[str, str]]:
    """The best article of each other source that tells the story, and all of its own source, by their titles.

    What a source only says again, under the same title, is not named. `id` lets freezing mark it as told.
    """
    own, found = story.article, dict[str, Candidate]()
    for other, _ in story.others:
        if other.source != own.source:
            found.setdefault(f"source {other.source}", other)
        elif _said(other.title) != _said(own.title):
            found.setdefault(f"title {_said(other.title)}", other)
    return [
        {"id": str(one.id), "source": one.source_name, "url": one.link}
        | ({"title": one.title} if one.source == own.source else {})
        for one in found.values()
    ]


def _said(title: str) -> str:
    return " ".join(re.findall(r"\w+", title.casefold()))


def _store(session: Session, issue: Issue, places: Iterable[dict[str, object]]) -> None:
    session.exec(delete(Placement).where(col(Placement.issue_id) == issue.id))
    left = iter(places)
    while some := list(islice(left, _AT_ONCE)):
        session.exec(insert(table(Placement)), params=some)
