"""The commit that fixes an issue for ever: number, content, rendered bytes, articles, consents (Part C, 1).

What everybody gets is printed here; the variants of those who chose when the ledger's rows are written."""

from __future__ import annotations

import zlib
from datetime import datetime
from functools import partial

from sqlmodel import Session, col, select

from digest import segments
from digest.compose import rows
from digest.compose.building import Material, build
from digest.compose.content import IssueContent, content_hash, from_json, to_json
from digest.compose.issues import move
from digest.compose.placing import by_hand
from digest.compose.printing import Press, Printer, printed
from digest.compose.rendering import Pictured, render, shown_elsewhere
from digest.compose.selecting import EVERYBODY, offered
from digest.config.stored import edition_from_json
from digest.config.values import Config
from digest.errors import IllegalMove
from digest.links import Links
from digest.models import Appearance, Article, Edition, Issue, IssueState, Variant
from digest.templating import Templates
from subscribers.audience import last_consent


def freeze(
    session: Session, config: Config, links: Links, issue_id: int, press: Press, now: datetime, only: str = ""
) -> Issue:
    """The issue: frozen, for those of its list whom its edition's segment and the filter `only` mean; or a draft
    again, with the reason, if it is not what was approved any more.

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
    session.add(printed(content, press, EVERYBODY, now, issue_id))
    session.add_all(
        Appearance(edition_id=issue.edition_id, article_id=article_id, issue_id=issue_id) for article_id in sorted(told)
    )
    issue.segments = segments.filters(session, issue, only)
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


def printer_of(
    session: Session, templates: Templates, issue_id: int, now: datetime, pictured: Pictured = shown_elsewhere
) -> Printer:
    """What prints the variants of a frozen issue: with the words that mark its blanks and the headers of its first."""
    issue = rows.issue_of(session, issue_id)
    content = frozen_content(issue)
    everybody = session.exec(select(Variant).where(Variant.issue_id == issue_id, Variant.key == EVERYBODY)).one()
    edition = edition_from_json(session.get_one(Edition, issue.edition_id).settings)
    word = everybody.blank_word
    rendering = partial(render, templates=templates, template=edition.template, blank_word=word)
    press = Press(pictured(rendering), word, everybody.headers)
    return Printer(issue_id, content, offered(content, templates.languages()), press, now)


def frozen_content(issue: Issue) -> IssueContent:
    """What a frozen issue said, from what was stored then, whatever has changed since."""
    if issue.inputs is None:
        raise IllegalMove(f"issue {issue.id} is {issue.state}: it was never frozen")
    return from_json(zlib.decompress(issue.inputs).decode())
