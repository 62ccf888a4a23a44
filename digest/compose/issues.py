"""The life of an issue, and the editor's hand on it. Steps: they take a session and never commit.

draft <--> approved --> frozen --> sending --> sent      draft, approved, frozen <--> held
  |
  +--> skipped                                           anything before sent --> cancelled

What an editor decides is stored beside what composing found (`Override`, the *_override columns), so that gathering and
composing again never undo it. Every such change empties the content's hash until the issue is laid out again, and takes
back an approval: `run.amend` does both in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import Session, col, func, select

from digest.compose.content import Sponsor
from digest.compose.placing import LEAD
from digest.compose.rows import OPEN, edition_of, issue_of
from digest.compose.sections import standing
from digest.errors import IllegalMove, NeedsDecision, NotFound, NothingToDo, UsageError
from digest.fields import mistake
from digest.models import Appearance, Article, Issue, IssueState, Override

MOVES: Mapping[str, frozenset[str]] = {
    IssueState.DRAFT: frozenset({IssueState.APPROVED, IssueState.SKIPPED, IssueState.CANCELLED, IssueState.HELD}),
    IssueState.APPROVED: frozenset({IssueState.DRAFT, IssueState.FROZEN, IssueState.CANCELLED, IssueState.HELD}),
    IssueState.HELD: frozenset({IssueState.DRAFT, IssueState.FROZEN, IssueState.CANCELLED}),
    IssueState.FROZEN: frozenset({IssueState.SENDING, IssueState.CANCELLED, IssueState.HELD}),
    IssueState.SENDING: frozenset({IssueState.SENT, IssueState.CANCELLED}),
    IssueState.SENT: frozenset(),
    IssueState.SKIPPED: frozenset(),
    IssueState.CANCELLED: frozenset(),
}
_WHEN = {IssueState.APPROVED: "approved_at", IssueState.FROZEN: "frozen_at", IssueState.SENT: "sent_at"}
_NO_APPROVAL: Mapping[str, object] = {"approved_hash": "", "approved_at": None, "approved_by": ""}


def move(session: Session, issue_id: int, to: IssueState, now: datetime, reason: str = "") -> Issue:
    """The issue, moved to `to`; `reason` says why in one sentence where a person will ask.

    IllegalMove if its state does not lead there, or somebody else moved it meanwhile.
    """
    return _move(session, issue_id, to, now, {"reason": reason})


def _move(session: Session, issue_id: int, to: IssueState, now: datetime, values: Mapping[str, object]) -> Issue:
    issue = issue_of(session, issue_id)
    seen = issue.state
    if not _may(issue, to):
        raise IllegalMove(f"issue {issue_id} is {seen}: it can't become {to} ({_leads(seen)})")
    stamped = {_WHEN[to]: now} if to in _WHEN else {}
    kept = _NO_APPROVAL if to in {IssueState.DRAFT, IssueState.HELD} else {}
    if kept and issue.inputs is None:
        kept = {**kept, "segments": []}  # whom it was approved for
    compared = update(Issue).where(col(Issue.id) == issue_id, col(Issue.state) == seen)
    moved = session.exec(compared.values({"state": to, **kept, **stamped, **values}))
    if moved.rowcount != 1:
        raise IllegalMove(f"issue {issue_id} was {seen} a moment ago and has been moved by somebody else: look again")
    return issue_of(session, issue_id)


def _may(issue: Issue, to: IssueState) -> bool:
    # What was frozen and then held goes on as it was frozen; anything else held has to be approved anew.
    if issue.state == IssueState.HELD and to in {IssueState.DRAFT, IssueState.FROZEN}:
        return (to == IssueState.FROZEN) == (issue.inputs is not None)
    return to in MOVES[issue.state]


def _leads(state: str) -> str:
    return f"from there: {', '.join(sorted(MOVES[state]))}" if MOVES[state] else f"{state} is final"


def approve(session: Session, issue_id: int, seen_hash: str, by: str, now: datetime) -> Issue:
    """The issue, approved by `by` as the content with the hash `seen_hash`: nothing else can be frozen.

    NeedsDecision if the content is another one by now, or has not been composed since it was edited.
    """
    issue = issue_of(session, issue_id)
    if not issue.content_hash or issue.content_hash != seen_hash:
        raise NeedsDecision(f"issue {issue_id} has changed since it was looked at: look again, then approve")
    return _move(
        session, issue_id, IssueState.APPROVED, now, {"approved_hash": seen_hash, "approved_by": by, "reason": ""}
    )


def reject(session: Session, issue_id: int, now: datetime, reason: str) -> Issue:
    """An approved or held issue as a draft again, with the reason."""
    return move(session, issue_id, IssueState.DRAFT, now, reason)


def cancel(session: Session, issue_id: int, now: datetime, reason: str = "") -> Issue:
    """The issue, cancelled for good.

    If it was not yet on its way, its articles are free for the next issue, and so is its number unless a later one was
    given already, which would leave a gap; else they stay its own. What becomes of its deliveries is the ledger's part,
    in the same transaction.
    """
    before = issue_of(session, issue_id)
    unsent = before.state != IssueState.SENDING
    highest = session.exec(select(func.max(Issue.number)).where(Issue.edition_id == before.edition_id)).one()
    freed: Mapping[str, object] = {"number": None} if unsent and before.number == highest else {}
    issue = _move(session, issue_id, IssueState.CANCELLED, now, {"reason": reason, **freed})
    if unsent:
        session.exec(delete(Appearance).where(col(Appearance.issue_id) == issue_id))
    return issue


def narrow(session: Session, issue_id: int, only: str) -> None:
    """Let an approved issue be for those alone whom the filter `only` means, whoever releases it; others stay as they
    are."""
    approved = update(Issue).where(col(Issue.id) == issue_id, col(Issue.state) == IssueState.APPROVED)
    session.exec(approved.values(segments=[only]))


def pause(session: Session, issue_id: int, paused: bool) -> Issue:
    """The issue, paused or going on again: nothing of a paused issue is begun. NothingToDo if it is so already."""
    issue = issue_of(session, issue_id)
    if issue.state not in {IssueState.FROZEN, IssueState.SENDING}:
        raise IllegalMove(f"issue {issue_id} is {issue.state}: only what is being sent can be paused or resumed")
    compared = update(Issue).where(col(Issue.id) == issue_id, col(Issue.paused).is_(not paused))
    if session.exec(compared.values(paused=paused)).rowcount != 1:
        raise NothingToDo(f"issue {issue_id} is {'paused' if paused else 'not paused'} already")
    return issue_of(session, issue_id)


def pin(session: Session, issue_id: int, article_id: int, now: datetime) -> Override:
    """The article is in, whatever its score, the caps and the window; only an article of another issue can't be."""
    return _decide(session, issue_id, article_id, now, pinned=True, dropped=False)


def drop(session: Session, issue_id: int, article_id: int, now: datetime) -> Override:
    """The article is out, and the story it leads with it."""
    return _decide(session, issue_id, article_id, now, pinned=False, dropped=True, section_id=None, position=None)


def release(session: Session, issue_id: int, article_id: int, now: datetime) -> Override:
    """Pin, drop and place of the article are taken back: the rules decide again. Its words stay edited."""
    return _decide(session, issue_id, article_id, now, pinned=False, dropped=False, section_id=None, position=None)


def move_article(
    session: Session,
    issue_id: int,
    article_id: int,
    now: datetime,
    section: str | None = None,
    position: int | None = None,
) -> Override:
    """The article stands in `section` ("lead" opens the issue), at `position` within it (0 is first), and so is in.

    UsageError if the edition has no such section.
    """
    if section is None and position is None:
        raise UsageError("say where to: a section, a position, or both")
    if position is not None and position < 0:
        raise UsageError(f"position {position}: expected 0 or more")
    if section is not None and section != LEAD:
        _known_section(session, issue_of(session, issue_id), section, LEAD)
    if section == LEAD:
        others = update(Override).where(col(Override.issue_id) == issue_id, col(Override.section_id) == LEAD)
        session.exec(others.values(section_id=None, pinned=True))
    given = {"section_id": section, "position": position}
    return _decide(
        session,
        issue_id,
        article_id,
        now,
        dropped=False,
        **{key: value for key, value in given.items() if value is not None},
    )


def edit_article(
    session: Session, issue_id: int, article_id: int, now: datetime, title: str | None = None, dek: str | None = None
) -> Override:
    """The article's words in this issue; None leaves them, an empty title is the article's own again.

    UsageError if a merge field in them is written wrongly.
    """
    _check_fields({"title": title or "", "dek": dek or ""})
    words: dict[str, object] = {}
    if title is not None:
        words["title"] = title.strip() or None
    if dek is not None:
        words["dek"] = dek.strip()
    return _decide(session, issue_id, article_id, now, **words)


def mark_update(session: Session, issue_id: int, article_id: int, now: datetime, update: bool) -> Override:
    """The article tells what is new of a story that an earlier issue told, so it may lead; or it does not."""
    return _decide(session, issue_id, article_id, now, update=update)


def edit_issue(session: Session, issue_id: int, now: datetime, words: Mapping[str, str]) -> Issue:
    """Subject, preheader, intro, outro in the editor's words; an empty subject or preheader is the automatic one.

    UsageError if a merge field in them is written wrongly.
    """
    columns = {"subject": "subject_override", "preheader": "preheader_override", "intro": "intro", "outro": "outro"}
    if unknown := sorted(words.keys() - columns.keys()):
        raise UsageError(f"{', '.join(unknown)}: expected {', '.join(columns)}")
    _check_fields(words)
    issue = _touched(session, issue_id, now)
    for name, text in words.items():
        column = columns[name]
        setattr(issue, column, text.strip() or None if column.endswith("_override") else text.strip())
    session.add(issue)
    session.flush()
    return issue


def edit_section(session: Session, issue_id: int, section: str, now: datetime, words: Mapping[str, str]) -> Issue:
    """A section's note (Markdown) and the question of a symposium in this issue; an empty one is taken away.

    UsageError if the edition has no such section, or a merge field in the words is written wrongly.
    """
    _check_fields(words)
    issue = _touched(session, issue_id, now)
    _known_section(session, issue, section)
    said = {**issue.section_words.get(section, {}), **{name: text.strip() for name, text in words.items()}}
    others = {name: kept for name, kept in issue.section_words.items() if name != section}
    # A new value: a JSON column does not see what changes inside of it.
    issue.section_words = others | {section: {name: text for name, text in said.items() if text}}
    session.add(issue)
    session.flush()
    return issue


def _check_fields(words: Mapping[str, str]) -> None:
    for name, text in words.items():
        if wrong := mistake(text):
            raise UsageError(f"{name}: {wrong}")


def set_sponsor(session: Session, issue_id: int, now: datetime, sponsor: Sponsor | None) -> Issue:
    """The issue's sponsor, or none.

    UsageError if its address is not on the web, the edition lacks its section, or a merge field is written wrongly.
    """
    issue = _touched(session, issue_id, now)
    if sponsor is not None:
        _check_fields({name: getattr(sponsor, name) for name in ("label", "title", "url", "text")})
        for url in (sponsor.url, *([sponsor.picture.url] if sponsor.picture else [])):
            if not url.startswith(("https://", "http://")):
                raise UsageError(f'"{url}": expected an address that begins with https://')
        if sponsor.after:
            _known_section(session, issue, sponsor.after)
    issue.sponsor = asdict(sponsor) if sponsor else None
    session.add(issue)
    session.flush()
    return issue


def _known_section(session: Session, issue: Issue, section: str, *more: str) -> None:
    known = [*more, *(one.id for one in standing(edition_of(session, issue.edition_id)))]
    if section not in known:
        raise UsageError(f'there is no section "{section}" ({", ".join(known)})')


def _decide(session: Session, issue_id: int, article_id: int, now: datetime, **values: object) -> Override:
    _touched(session, issue_id, now)
    if session.get(Article, article_id) is None:
        raise NotFound(f"there is no article with id {article_id}")
    override = session.get(Override, (issue_id, article_id), populate_existing=True)
    override = override or Override(issue_id=issue_id, article_id=article_id, at=now)
    for name, value in {**values, "at": now}.items():
        setattr(override, name, value)
    session.add(override)
    session.flush()
    return override


def _touched(session: Session, issue_id: int, now: datetime) -> Issue:
    """The issue, open to the editor: an approval is void, and so is the hash until it is laid out again."""
    issue = issue_of(session, issue_id)
    if issue.state not in {IssueState.DRAFT, IssueState.APPROVED}:
        raise IllegalMove(f"issue {issue_id} is {issue.state}: only a draft or an approved issue can be edited")
    if issue.state == IssueState.APPROVED:
        issue = move(session, issue_id, IssueState.DRAFT, now, "It was edited after its approval.")
    issue.content_hash = ""
    session.add(issue)
    return issue


def open_issues(session: Session, edition_id: str) -> list[Issue]:
    """The edition's drafts and approved issues, the one that is due first at the front."""
    query = select(Issue).where(
        Issue.edition_id == edition_id, col(Issue.state).in_([IssueState.DRAFT, IssueState.APPROVED])
    )
    return sorted(session.exec(query), key=lambda issue: (issue.due_at or issue.created_at, issue.id or 0))


def ready(session: Session, edition_id: str, slot: str | None, automatic: str) -> Issue | None:
    """The issue that needs no composing any more: frozen and cut off, or approved by somebody else than `automatic`.

    With a slot it is that slot's, or an approved one made by hand; otherwise the one that is due first.
    """
    waiting = select(Issue).where(
        Issue.edition_id == edition_id, col(Issue.state).in_([IssueState.APPROVED, IssueState.FROZEN])
    )
    fitting = [
        issue
        for issue in session.exec(waiting)
        if (slot is None or issue.slot in (None, slot))
        and (issue.state == IssueState.FROZEN or issue.approved_by != automatic)
    ]
    return min(fitting, key=lambda issue: (issue.due_at or issue.created_at, issue.id or 0), default=None)


def chosen(session: Session, issue_id: int | None, *, closed: bool = False) -> Issue:
    """The issue with this id; without one the only open issue, or with `closed`, if none is open, the latest of all.

    NotFound if there is none, UsageError if several are open.
    """
    if issue_id is not None:
        return issue_of(session, issue_id)
    waiting = session.exec(select(Issue).where(col(Issue.state).in_(OPEN)).order_by(col(Issue.id))).all()
    if len(waiting) > 1:
        said = ", ".join(f"{issue.id} ({issue.edition_id}, {issue.state})" for issue in waiting)
        raise UsageError(f"several issues are open, say which: {said}")
    latest = session.exec(select(Issue).order_by(col(Issue.id).desc())).first() if closed else None
    found = waiting[0] if waiting else latest
    if found is None:
        raise NotFound("no issue is open: digest issues compose EDITION makes one")
    return found
