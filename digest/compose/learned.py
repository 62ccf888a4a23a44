"""What earlier issues teach about sections: a step. Loads numpy and scipy only where there is something to guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlmodel import Session, col

from digest.compose.candidates import Candidate, Looked, candidate
from digest.compose.rows import LOOKED
from digest.compose.sections import ruled, standing
from digest.config.values import EditionConfig
from digest.models import Article, Issue, IssueState, Placement, SectionBy, Source

if TYPE_CHECKING:
    from digest.compose.learning import Example, Guess

OUT = (IssueState.FROZEN, IssueState.SENDING, IssueState.SENT)
MOST = 2_000  # past articles, the newest; learning's time grows with their cube
LEAST = 5  # past articles of a section that can be told from others


def guesses(session: Session, edition: EditionConfig, candidates: Sequence[Candidate]) -> Mapping[int, Guess]:
    """A guess for each candidate that no rule fits, by id, where it is as sure as the edition asks for."""
    sections = standing(edition)
    open_ = [one for one in candidates if ruled(one, sections) is None]
    if not edition.learn_sections or len(sections) < 2 or not open_:
        return {}
    past = _past(session, edition, {section.id for section in sections})
    if len({section for _, section in past}) < 2:
        return {}
    from digest.compose.learning import learn

    window = [_example(one) for one in open_]
    model = learn([_example(one, section) for one, section in past], window)
    assert model is not None
    found = zip(open_, model.guesses(window), strict=True)
    return {one.id: guess for one, guess in found if guess.confidence >= edition.learn_sections}


def _past(session: Session, edition: EditionConfig, known: set[str]) -> list[tuple[Candidate, str]]:
    """The newest articles that a rule or an editor put into a section that the edition still has.

    What was guessed is not learned from: a wrong guess nobody noticed would make itself true.
    """
    query = (
        sa.select(*LOOKED, col(Placement.section_id))
        .join_from(Article, Source)
        .join(Placement, col(Placement.article_id) == col(Article.id))
        .join(Issue, col(Issue.id) == col(Placement.issue_id))
        .where(
            col(Issue.edition_id) == edition.id,
            col(Issue.state).in_(OUT),
            col(Placement.left_out).is_(None),
            col(Placement.section_by).in_((SectionBy.RULE, SectionBy.EDITOR)),
            col(Placement.section_id).in_(known),
        )
        .order_by(col(Issue.number).desc(), col(Placement.position))
        .limit(MOST)
    )
    rows = [(candidate(Looked._make(row)), section) for *row, section in session.execute(query)]
    many = Counter(section for _, section in rows)
    return [(one, section) for one, section in rows if many[section] >= LEAST]


def _example(article: Candidate, section: str = "") -> Example:
    from digest.compose.learning import Example

    marks = {"source": [article.source], "kind": [article.kind], "section": [article.section]}
    marks |= {"author": list(article.authors), "category": list(article.categories)}
    told = tuple(f"{key} {value}" for key, values in marks.items() for value in values if value)
    return Example(article.title, article.dek, article.link, section, told)
