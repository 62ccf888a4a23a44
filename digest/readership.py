"""Whom an issue would go to: how many, how many not, and whether it is anybody at all."""

from __future__ import annotations

from dataclasses import dataclass

from digest import db, proofs, segments
from digest.compose import rows
from digest.deliver import reporting
from digest.errors import IllegalMove, NeedsDecision
from digest.models import Issue
from digest.wiring import App


@dataclass(frozen=True)
class Audience:
    """Whom a release would mail."""

    size: int
    last: int | None  # how many the edition's last issue went to; None before the first
    nothing: int = 0  # others, who follow nothing of what is in it
    outside: int = 0  # readers of the list who are outside the issue's segment

    @property
    def sentence(self) -> str:
        """What a person is told before they press the button."""
        skipped = f" Skipped, as they follow nothing that is in it: {self.nothing:,}." if self.nothing else ""
        outside = f" Not mailed, as they are outside its segment: {self.outside:,}." if self.outside else ""
        return f"You are about to mail {self.size:,} {'person' if self.size == 1 else 'people'}.{skipped}{outside}"

    @property
    def surprising(self) -> bool:
        """Whether a person should look twice: a first send, or more than twice the last."""
        return self.last is None or self.size > 2 * self.last


def audience_of(app: App, issue_id: int, only: str = "") -> Audience:
    """How many people an issue would go to now, those alone whom the filter `only` means, and how many the edition's
    last one went to."""
    with db.reading(app.engine) as session:
        issue = rows.issue_of(session, issue_id)
        rows.edition_of(session, issue.edition_id)
        shares = proofs.shares_of(app, session, issue_id, only)
        last = reporting.last_audience(session, issue.edition_id)
        return Audience(shares.readers, last, shares.nothing, shares.outside)


def may_narrow(issue: Issue, only: str) -> None:
    """IllegalMove for an `only` when whom the issue goes to is fixed already, and to others."""
    if only and segments.fixed(issue) and only not in issue.segments:
        raise IllegalMove(
            f"issue {issue.id} is {issue.state}: whom it goes to was fixed when it was frozen, no segment changes that"
        )


def somebody(app: App, issue_id: int, only: str = "") -> Audience:
    """The same; NeedsDecision, with the reason, if there is nobody."""
    found = audience_of(app, issue_id, only)
    if found.size == 0 and found.nothing:
        raise NeedsDecision(
            f"issue {issue_id} has nobody to go to: none of its list's readers follows anything that is in it"
        )
    if found.size == 0 and found.outside:
        raise NeedsDecision(
            f"issue {issue_id} has nobody to go to: nobody on its list who gets this edition is in its segment, "
            f"{found.outside:,} are outside it"
        )
    if found.size == 0:
        raise NeedsDecision(f"issue {issue_id} has nobody to go to: its list has no confirmed subscriber")
    return found
