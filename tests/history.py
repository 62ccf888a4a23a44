"""Judges a delivery by the server's log and the database: nobody lost, nobody mailed twice beyond what is stated."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from faultserver import Entry
from office import address, handle, rows
from post import LINKS
from sqlalchemy import Engine, select

from digest import db
from digest.deliver import reporting
from digest.deliver.lint import lint, recipient
from digest.links import Links
from subscribers.columns import table
from subscribers.models import Status, Subscriber, Subscription

OPEN = {"pending", "claimed", "handed", "deferred", "unknown"}


@dataclass(frozen=True)
class Verdict:
    """What log and database say together: recipients lost, with more than one copy, and unsure."""

    lost: int
    doubled: int
    unsure: int
    states: Counter[str]
    copies: Counter[str]


def accepted(log: Sequence[Entry]) -> dict[str, list[Entry]]:
    """What the server took, by recipient, in order."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in log:
        if entry.stage == "accepted":
            found[entry.rcpt].append(entry)
    return found


def judge(engine: Engine, log: Sequence[Entry], people: int, *, issue_id: int = 12, links: Links = LINKS) -> Verdict:
    """The figures, once every one of the rules that no fault excuses is kept.

    A recipient is lost who is `sent` without a copy, who has none and is told of nowhere, or who is still open; one
    with a copy is sent, held or unknown, or pending again after that.
    """
    taken, found = accepted(log), rows(engine)
    owners = {links.unsubscribe(handle(n), "weekly"): address(n) for n in range(1, people + 1)}
    assert len(found) == people, "every confirmed recipient has one row"
    assert set(taken) <= set(found), "somebody outside the audience got mail"
    for who, copies in taken.items():
        _check_copies(who, copies, found[who].message_id, owners)
    _check_people(engine, taken)
    lost = 0
    for who, row in found.items():
        lost += row.state in OPEN or (row.state == "sent" and who not in taken)
        if who in taken and row.state not in ("sent", "held", "unknown"):
            unsure_once = row.state in ("pending", "deferred", "failed") and row.attempts > 1
            assert unsure_once, f"{who} got mail and is {row.state}: {row.reason}"
        if row.state in ("failed", "held", "unknown", "skipped", "deferred"):
            assert row.reason, f"{who} is {row.state} without a reason"
    states = Counter(str(row.state) for row in found.values())
    with db.reading(engine) as session:
        counted = {state: n for state, n in reporting.status(session, issue_id).items() if n}
    assert counted == states, "the counters are not the rows"
    numbers = Counter({who: len(copies) for who, copies in taken.items()})
    doubled = sum(number > 1 for number in numbers.values())
    return Verdict(lost, doubled, states["held"] + states["unknown"], states, numbers)


def _check_copies(who: str, copies: Sequence[Entry], message_id: str, owners: dict[str, str]) -> None:
    assert len({copy.sha256 for copy in copies}) == 1, f"{who} has copies that differ"
    raw = copies[0].raw
    assert max(raw) < 128, f"{who}: eight-bit octets on the wire"
    failures = lint(raw, loopback=True, smtputf8="SMTPUTF8" in copies[0].mail)
    assert failures == [], f"{who}: {failures}"
    assert recipient(raw) == who
    assert header(raw, "Message-ID") == message_id
    uri = header(raw, "List-Unsubscribe").strip("<>")
    assert not uri or owners[uri] == who, f"{who} has the link of {owners[uri]}"


def _check_people(engine: Engine, taken: dict[str, list[Entry]]) -> None:
    # Who had left before the sender began with them got nothing.
    p, s = table(Subscriber), table(Subscription)
    left = select(p.c.email, s.c.left_at).join(s, s.c.subscriber_id == p.c.id).where(s.c.status == Status.UNSUBSCRIBED)
    with db.reading(engine) as session:
        for email, left_at in session.execute(left):
            first = min((entry.at for entry in taken.get(email, ())), default=None)
            assert first is None or left_at.timestamp() > first, f"{email} had left and got mail"


def header(raw: bytes, name: str) -> str:
    """The unfolded value of the first header of that name."""
    head = raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    found = (line for line in head.split("\r\n") if line.lower().startswith(name.lower() + ":"))
    return next(found, ":").partition(":")[2].strip()
