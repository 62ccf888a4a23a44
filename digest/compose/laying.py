"""An issue laid out from what is stored: candidates, stories, scores, places, content. A step: it never commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert
from sqlmodel import Session, col

from digest.compose import learned, rows
from digest.compose.building import build, titled
from digest.compose.candidates import Candidate, candidate
from digest.compose.content import IssueContent, content_hash
from digest.compose.eligibility import not_eligible, taken, window
from digest.compose.ranking import Ranked, rank
from digest.compose.sections import Layout, by_hand, place, settled_by, standing
from digest.compose.stories import stories
from digest.config.values import Config, EditionConfig
from digest.links import Links
from digest.models import Issue, Override, Placement, SectionBy, table

if TYPE_CHECKING:
    from digest.compose.learning import Guess


@dataclass(frozen=True)
class Laid:
    """What an issue says now, how many articles have a place, and a sentence for each thing to look at."""

    content: IssueContent
    placed: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Pool:
    candidates: tuple[Candidate, ...]
    refused: Mapping[int, str]
    seen: Mapping[int, datetime]  # when an article became available


def lay(session: Session, config: Config, links: Links, edition: EditionConfig, issue: Issue) -> Laid:
    """Lay the issue out anew between its window's ends, with every override of its editor.

    The caller holds the edition's lock. Equal rows give an equal issue, however often it is laid out. Placements,
    subject, preheader and hash are stored.
    """
    assert issue.id is not None
    overrides = rows.overrides_of(session, issue.id)
    pool = _pool(session, edition, issue, overrides)
    kept = {article_id for article_id, override in overrides.items() if by_hand(override)}
    ranked = rank(stories(pool.candidates, rows.earlier(session, issue)), edition.ranking, issue.window_end, kept)
    guesses = learned.guesses(session, edition, [story.article for story in ranked])
    layout = place(ranked, edition, overrides, guesses)
    placed = {spot.article_id for spot in layout.places}
    settled = {
        one.id: _settled(
            settled_by(one, standing(edition), overrides.get(one.id), guesses.get(one.id)), guesses.get(one.id)
        )
        for one in pool.candidates
        if one.id in placed
    }
    _store(session, issue, list(_placements(issue, pool, ranked, layout, settled)))
    material = rows.material_of(session, config, edition, issue)
    automatic, problem = titled(build(material, links), edition.subject)
    issue.subject, issue.preheader = automatic.subject, automatic.preheader
    content = build(material, links)
    issue.content_hash = content_hash(content)
    session.add(issue)
    session.flush()
    wrong = problem if layout.places and not issue.subject_override else None
    return Laid(content, len(layout.places), (wrong,) if wrong else ())


def _pool(session: Session, edition: EditionConfig, issue: Issue, overrides: Mapping[int, Override]) -> _Pool:
    looked = window(issue.window_start, issue.window_end, edition.window_days)
    elsewhere = rows.taken_by_others(session, issue)
    candidates, refused, seen = [], {}, {}
    for article, source in rows.looked_at(session, looked, list(overrides)):
        assert article.id is not None
        seen[article.id] = article.available_at
        other = elsewhere.get(article.id)
        reason = taken(other.number, other.issue_id) if other else None
        if reason is None and not by_hand(overrides.get(article.id)):
            reason = not_eligible(article, looked)
        if reason is None:
            candidates.append(candidate(article, source))
        else:
            refused[article.id] = reason
    return _Pool(tuple(candidates), refused, seen)


def _placements(
    issue: Issue, pool: _Pool, ranked: Iterable[Ranked], layout: Layout, settled: Mapping[int, Mapping[str, object]]
) -> Iterable[dict[str, object]]:
    place_of = {spot.article_id: (number, spot.section_id) for number, spot in enumerate(layout.places)}
    for article_id, reason in pool.refused.items():
        yield _row(issue, pool, article_id, left_out=reason)
    for story in ranked:
        article = story.article
        known = {"score": story.scored.score, "reasons": story.scored.plain(), "also": _also(story)}
        if article.id in place_of:
            position, section_id = place_of[article.id]
            yield _row(
                issue, pool, article.id, **known, **settled[article.id], position=position, section_id=section_id
            )
        else:
            yield _row(issue, pool, article.id, **known, left_out=layout.left_out[article.id])
        for other, scored in story.others:
            reason = f'It tells the same story as "{article.title}" ({article.source_name}).'
            yield _row(issue, pool, other.id, score=scored.score, reasons=scored.plain(), left_out=reason)


def _settled(by: SectionBy, guess: Guess | None) -> Mapping[str, object]:
    if by != SectionBy.LEARNED or guess is None:
        return {"section_by": by}
    return {"section_by": by, "confidence": guess.confidence, "learned_from": guess.learned_from}


def _row(issue: Issue, pool: _Pool, article_id: int, **known: object) -> dict[str, object]:
    # First laid out when it was made: what became available since is new to whoever saw that draft.
    blank: dict[str, object] = {
        "section_id": "",
        "section_by": "",
        "confidence": None,
        "learned_from": None,
        "position": 0,
        "score": 0.0,
        "reasons": [],
        "also": [],
        "left_out": None,
    }
    is_new = pool.seen[article_id] >= issue.created_at
    return {**blank, **known, "issue_id": issue.id, "article_id": article_id, "is_new": is_new}


def _also(story: Ranked) -> list[dict[str, str]]:
    """The best article of each other source that tells the story; `id` lets freezing mark it as told."""
    first: dict[str, Candidate] = {}
    for other, _ in story.others:
        if other.source != story.article.source:
            first.setdefault(other.source, other)
    return [{"id": str(one.id), "source": one.source_name, "url": one.link} for one in first.values()]


def _store(session: Session, issue: Issue, places: list[dict[str, object]]) -> None:
    session.exec(delete(Placement).where(col(Placement.issue_id) == issue.id))
    if places:
        session.exec(insert(table(Placement)), params=places)
