"""The commit that fixes an issue for ever: number, content, rendered bytes, articles, consents (Part C, 1)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlmodel import Session, col, select

from digest.compose import rows
from digest.compose.building import Material, build
from digest.compose.content import IssueContent, content_hash, from_json, to_json
from digest.compose.issues import move
from digest.compose.placing import by_hand
from digest.compose.variants import packed
from digest.config.values import Config
from digest.errors import IllegalMove, NeedsDecision
from digest.links import Links
from digest.models import Appearance, Article, Issue, IssueState, Variant
from subscribers.audience import last_consent


class Rendered(Protocol):
    """What freezing needs of a rendered issue."""

    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def problems(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Press:
    """How the content becomes bytes, with what the message's head says to everybody."""

    render: Callable[[IssueContent], Rendered]  # with the edition's template and `blank_word`
    blank_word: str  # random, of this issue alone
    headers: Mapping[str, str] = field(default_factory=dict)


def freeze(session: Session, config: Config, links: Links, issue_id: int, press: Press, now: datetime) -> Issue:
    """The issue: frozen; or a draft again, with the reason, if it is not what was approved any more.

    IllegalMove if it is not approved. NeedsDecision, with nothing changed, if the rendered issue must not go out. The
    caller looks at the state: a refusal has to be committed too.
    """
    issue = rows.issue_of(session, issue_id)
    edition = rows.edition_of(session, issue.edition_id, lock=True)
    issue = rows.issue_of(session, issue_id)
    if issue.state != IssueState.APPROVED:
        raise IllegalMove(f"issue {issue_id} is {issue.state}: only an approved issue can be frozen")
    material = rows.material_of(session, config, edition, issue)
    content = build(material, links)
    told = _told(material)
    refusal = _refusal(session, issue, material, content, told)
    if refusal is not None:
        return move(session, issue_id, IssueState.DRAFT, now, refusal)
    rendered = press.render(content)
    if rendered.problems:
        raise NeedsDecision(f"issue {issue_id} can't go out: {'; '.join(rendered.problems)}")
    session.add(_variant(issue_id, rendered, press, now))
    session.add_all(
        Appearance(edition_id=issue.edition_id, article_id=article_id, issue_id=issue_id) for article_id in sorted(told)
    )
    issue.number, issue.inputs = content.number, zlib.compress(to_json(content).encode(), 9)
    issue.audience_consents = last_consent(session)
    session.add(issue)
    session.flush()
    return move(session, issue_id, IssueState.FROZEN, now)


def _told(material: Material) -> set[int]:
    """The issue's articles, and those that tell the same stories: none of them is told again."""
    placed = {row.article_id for row in material.placements}
    return placed | {int(one["id"]) for row in material.placements for one in row.also}


def _refusal(session: Session, issue: Issue, material: Material, content: IssueContent, told: set[int]) -> str | None:
    if content_hash(content) != issue.approved_hash:
        return "Its content is not what was approved any more: look at it and approve again."
    if not told:
        return "It has no articles."
    hidden = [f'"{one.title}"' for one in material.articles.values() if _is_hidden(one, material)]
    if hidden:
        return f"Hidden since it was approved: {', '.join(hidden)}. Look at it and approve again."
    appeared = session.exec(select(Appearance).where(col(Appearance.edition_id) == issue.edition_id))
    twice = sorted(row.article_id for row in appeared if row.article_id in told)
    if twice:
        return f"Articles of it were in an issue before ({', '.join(map(str, twice))}): compose it again."
    return None


def _is_hidden(article: Article, material: Material) -> bool:
    return article.hidden and article.id is not None and not by_hand(material.overrides.get(article.id))


@dataclass(frozen=True)
class _Printed:
    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    blank_word: str


def _variant(issue_id: int, rendered: Rendered, press: Press, now: datetime) -> Variant:
    printed = _Printed(rendered.subject, rendered.html, rendered.text, press.headers, press.blank_word)
    return packed(printed, "", now, issue_id)


def frozen_content(issue: Issue) -> IssueContent:
    """What a frozen issue said, from what was stored then, whatever has changed since."""
    if issue.inputs is None:
        raise IllegalMove(f"issue {issue.id} is {issue.state}: it was never frozen")
    return from_json(zlib.decompress(issue.inputs).decode())
