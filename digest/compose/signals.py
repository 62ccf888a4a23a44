"""What editors and readers made of an issue's candidates, as the score wants it. A step: it never commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlmodel import Session, and_, col, select

from digest.compose.candidates import Candidate
from digest.compose.placing import by_hand
from digest.compose.ranking import Signals, engaged
from digest.compose.readers import LOOKED_BACK, Readers, Shown, learned
from digest.compose.rows import GONE_OUT, MANY
from digest.config.values import EditionConfig
from digest.models import Article, Engagement, Issue, Override, Placement

CLICKS = "clicks"


def gathered(
    session: Session,
    edition: EditionConfig,
    issue: Issue,
    candidates: Sequence[Candidate],
    overrides: Mapping[int, Override],
) -> Signals:
    """Overrides, counts of points and clicks, and what clicks on the edition's earlier issues say."""
    counts = _counts(session, [one.id for one in candidates]) if edition.ranking.engagement else {}
    return Signals(
        kept={article for article, override in overrides.items() if by_hand(override)},
        updates={article for article, override in overrides.items() if override.update},
        engagement=engaged(counts, edition.ranking.engagement),
        readers=_readers(session, issue, edition.ranking.learn) if edition.ranking.learn else Readers(),
    )


def _counts(session: Session, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(dict)
    if session.exec(select(Engagement.article_id).limit(1)).first() is None:
        return found
    for start in range(0, len(ids), MANY):
        part = select(Engagement).where(col(Engagement.article_id).in_(ids[start : start + MANY]))
        for row in session.exec(part):
            found[row.article_id][row.kind] = row.count
    return found


def _readers(session: Session, issue: Issue, cap: float) -> Readers:
    earlier = select(Issue.id).where(
        Issue.edition_id == issue.edition_id, col(Issue.id) < issue.id, col(Issue.state).in_(GONE_OUT)
    )
    looked = earlier.order_by(col(Issue.id).desc()).limit(LOOKED_BACK)
    clicked = and_(col(Engagement.article_id) == col(Article.id), col(Engagement.kind) == CLICKS)
    shown = (
        select(Placement.issue_id, Article.source_id, Article.section, Engagement.count)
        .join(Article, col(Article.id) == col(Placement.article_id))
        .outerjoin(Engagement, clicked)
        .where(col(Placement.issue_id).in_(session.exec(looked).all()), col(Placement.left_out).is_(None))
    )
    rows = session.exec(shown).all()
    return learned((Shown(id_, source, section or "", clicks) for id_, source, section, clicks in rows), cap)
