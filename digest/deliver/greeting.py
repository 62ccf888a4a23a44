"""Letters at the beginning and the end: welcome, with the latest issue; goodbye, with the way back. Steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from digest.deliver.letters import Office, enqueue_to_reader
from digest.fields import plain
from digest.links import Links
from digest.models import Edition, Issue, IssueState, table
from subscribers.greeting import goodbyes, welcomes
from subscribers.models import MailingList

_i = table(Issue)
_e = table(Edition)


def enqueue_welcomes(session: Session, office: Office, links: Links, handle: bytes, now: datetime) -> int:
    """The welcome letters of whoever confirmed at `now`, for the lists that want it; how many."""
    sends = welcomes(session, handle, now)
    for send in sends:
        mailing_list = session.get_one(MailingList, send.list_id)
        enqueue_to_reader(session, office, send, _latest(session, links, mailing_list), now)
    return len(sends)


def enqueue_goodbyes(session: Session, office: Office, links: Links, handle: bytes, now: datetime) -> int:
    """The goodbye letters of whoever left at `now`, for the lists that want it; how many."""
    sends = goodbyes(session, handle, now)
    for send in sends:
        public = session.get_one(MailingList, send.list_id).public  # nobody comes back to another by a form
        enqueue_to_reader(session, office, send, {"subscribe_url": links.subscribe() if public else ""}, now)
    return len(sends)


def _latest(session: Session, links: Links, mailing_list: MailingList) -> Mapping[str, object]:
    """The latest issue that the list got, where it is on the web for everybody."""
    sent = (
        select(_i.c.edition_id, _i.c.number, _i.c.subject, _i.c.subject_override)
        .join(_e, _e.c.id == _i.c.edition_id)
        .where(_e.c.list_id == mailing_list.id, _i.c.state == IssueState.SENT, _i.c.number.is_not(None))
        .order_by(_i.c.sent_at.desc(), _i.c.id.desc())
        .limit(1)
    )
    found = session.execute(sent).one_or_none() if mailing_list.public else None
    if found is None:
        return {"issue_url": "", "issue_title": ""}
    title = plain(found.subject_override) if found.subject_override else found.subject
    return {"issue_url": links.issue(found.edition_id, found.number), "issue_title": title}
