"""Many rows in one statement are decided as each would be alone: checked against a model, on both databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office import change_issue, leave, open_office, rows
from post import AT, config
from sqlalchemy import Engine, text, update
from sqlmodel import Session

from digest import db
from digest.deliver import handing, ledger
from digest.deliver.handing import Ending, Leave, Settled, Verdict
from digest.deliver.ledger import S, Work
from digest.deliver.run import enqueue_issue
from digest.errors import DatabaseUnavailable
from digest.models import Delivery, Issue, IssueState, Slice, table
from subscribers.models import MailingList, Subscription

PEOPLE = 6
LATER = AT + timedelta(minutes=1)
OUTCOMES = (S.SENT, S.DEFERRED, S.FAILED, S.UNKNOWN)


@dataclass
class Model:
    """The ledger's rules for one slice, row by row, in plain words."""

    states: list[str] = field(default_factory=lambda: ["claimed"] * PEOPLE)
    attempts: list[int] = field(default_factory=lambda: [0] * PEOPLE)
    gone: set[int] = field(default_factory=set)
    lost: bool = False
    paused: bool = False
    cancelled: bool = False

    def hand(self, row: int, stale: bool, tried: bool) -> Verdict:
        if self.lost or stale or self.states[row] != "claimed" or self.paused:
            return Verdict(False)
        why = "cancelled" if self.cancelled else "unsubscribed" if row in self.gone else ""
        if why:
            self.states[row] = "skipped"
            return Verdict(False, why)
        self.states[row] = "handed"
        self.attempts[row] += tried
        return Verdict(True)

    def settle(self, row: int, stale: bool, state: str, handed: bool, unknown: str, tried: bool) -> bool:
        if not handed and not self.hand(row, stale, tried).handed:
            return False
        if self.lost or stale or self.states[row] != "handed" or self.attempts[row] != tried:
            return False
        resolved = "held" if unknown == "hold" else "pending"
        self.states[row] = resolved if state == "unknown" else state
        return True


@st.composite
def happenings(draw: st.DrawFn) -> list[tuple[str, object]]:
    rows_ = st.integers(0, PEOPLE - 1)
    hands = st.lists(st.tuples(rows_, st.booleans(), st.booleans()), min_size=1, max_size=10)
    endings = st.tuples(
        rows_,
        st.sampled_from([False, False, False, True]),
        st.sampled_from(OUTCOMES),
        st.booleans(),
        st.sampled_from(["hold", "resend"]),
        st.sampled_from([True, True, True, False]),
    )
    one = st.one_of(
        st.tuples(st.just("hand"), hands),
        st.tuples(st.just("hand"), st.just([(n, False, True) for n in range(PEOPLE)])),
        st.tuples(st.just("settle"), st.lists(endings, min_size=1, max_size=10)),
        st.tuples(st.just("leave"), rows_),
        st.tuples(st.just("pause"), st.booleans()),
        st.tuples(st.sampled_from(["cancel", "lose"]), st.none()),
    )
    return draw(st.lists(one, min_size=1, max_size=7))


@pytest.fixture
def claimed(engine: Engine) -> tuple[Engine, list[Work]]:
    """An issue whose few rows are claimed."""
    open_office(engine, PEOPLE)
    enqueue_issue(engine, config(), 12, AT)
    return engine, claim(engine)


def claim(engine: Engine) -> list[Work]:
    with db.writing(engine) as session:
        taken = ledger.next_slice(session, "a", AT, "resend")
    assert taken
    return sorted(taken[1], key=lambda work: int(work.address.removeprefix("reader").partition("@")[0]))


@contextmanager
def undone(engine: Engine) -> Iterator[Session]:
    """A session of which nothing stays."""
    with Session(engine.execution_options(digest_writing=True)) as session:
        yield session


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=happenings())
def test_batches_equal_the_model(claimed: tuple[Engine, list[Work]], story: list[tuple[str, object]]) -> None:
    engine, works = claimed
    model = Model()
    with undone(engine) as session:
        for kind, what in story:
            _happen(session, works, model, kind, what)
        found = session.execute(table(Delivery).select().order_by(table(Delivery).c.subscriber_id)).all()
    assert [row.state for row in found] == model.states
    assert [row.attempts for row in found] == model.attempts


def _happen(session: Session, works: list[Work], model: Model, kind: str, what: object) -> None:
    if kind == "hand":
        asked = [(_work(works, row, stale), stale, tried, row) for row, stale, tried in what]
        said = handing.hand(session, [Leave(work, "r", AT, tried) for work, _, tried, _ in asked])
        assert said == [model.hand(row, stale, tried) for _, stale, tried, row in asked]
    elif kind == "settle":
        endings = [
            Ending(_work(works, row, stale), Settled(state, "r", tried=tried), AT, handed, unknown, LATER)
            for row, stale, state, handed, unknown, tried in what
        ]
        assert handing.settle(session, endings) == _settled(model, what)
    elif kind == "leave":
        model.gone.add(what)
        places = table(Subscription)
        session.execute(update(places).where(places.c.subscriber_id == what + 1).values(status="unsubscribed"))
    elif kind == "lose":
        model.lost = True
        session.execute(update(table(Slice)).values(fence=table(Slice).c.fence + 1))
    else:
        values = {"paused": what} if kind == "pause" else {"state": IssueState.CANCELLED}
        model.paused = what if kind == "pause" else model.paused
        model.cancelled = model.cancelled or kind == "cancel"
        session.execute(update(table(Issue)).values(**values))


def _settled(model: Model, what: Sequence[tuple]) -> list[bool]:
    # Leave is asked for all that have none before anything is settled.
    refused = {place for place, end in enumerate(what) if not end[3] and not model.hand(end[0], end[1], end[5]).handed}
    return [
        place not in refused and model.settle(row, stale, state, True, unknown, tried)
        for place, (row, stale, state, _, unknown, tried) in enumerate(what)
    ]


def _work(works: list[Work], row: int, stale: bool) -> Work:
    work = works[row]
    return replace(work, hold=replace(work.hold, fence=work.hold.fence - 1)) if stale else work


def test_what_is_settled_is_kept_as_it_was_said(claimed: tuple[Engine, list[Work]]) -> None:
    engine, works = claimed
    said = [
        Settled(S.SENT, "r\u00e9lais", 250, "2.0.0", "Ok: queued as 'A\"1\\'; \u6f22"),
        Settled(S.DEFERRED, None, 451, None, "", LATER),
        Settled(S.FAILED, "b", None, None, None),
    ]
    with db.writing(engine) as session:
        assert all(verdict.handed for verdict in handing.hand(session, [Leave(work, "r", AT) for work in works]))
        endings = [Ending(work, settled, LATER) for work, settled in zip(works, said, strict=False)]
        assert handing.settle(session, endings) == [True] * 3
    kept = rows(engine)
    for work, settled in zip(works, said, strict=False):
        row = kept[work.address]
        again = Settled(row.state, row.relay, row.code, row.enhanced, row.reason, row.next_try_at)
        assert again == settled
        assert (row.handed_at, row.settled_at) == (AT, None if settled.state == S.DEFERRED else LATER)


def test_rows_of_several_slices_and_holders_go_in_one_batch(engine: Engine) -> None:
    open_office(engine, 2500)
    enqueue_issue(engine, config(), 12, AT)
    with db.writing(engine) as session:
        taken = [ledger.next_slice(session, holder, AT, "hold") for holder in "abc"]
        works = [one[1][0] for one in taken if one]
        swapped = [replace(works[0], hold=works[1].hold), *works[1:]]
        said = handing.hand(session, [Leave(work, "r", AT) for work in swapped])
    assert [verdict.handed for verdict in said] == [False, True, True]


def test_who_leaves_between_two_of_a_batch_gets_nothing(claimed: tuple[Engine, list[Work]]) -> None:
    engine, works = claimed
    leave(engine, 3)
    with db.writing(engine) as session:
        said = handing.hand(session, [Leave(work, "r", AT) for work in works])
    assert [verdict.why for verdict in said] == ["", "", "unsubscribed", "", "", ""]
    assert rows(engine)[works[2].address].state == "skipped"


def test_a_list_switched_off_in_mid_send_is_mailed_no_more(claimed: tuple[Engine, list[Work]]) -> None:
    engine, works = claimed
    with db.writing(engine) as session:
        session.get_one(MailingList, "weekly").active = False
    with db.writing(engine) as session:
        said = handing.hand(session, [Leave(work, "r", AT) for work in works])
    assert {verdict.why for verdict in said} == {"list-off"}
    assert {(row.state, row.reason) for row in rows(engine).values()} == {("skipped", "list-off")}


def test_a_paused_issue_hands_nothing_and_skips_nothing(claimed: tuple[Engine, list[Work]]) -> None:
    engine, works = claimed
    change_issue(engine, paused=True)
    with db.writing(engine) as session:
        assert handing.hand(session, [Leave(work, "r", AT) for work in works]) == [Verdict(False)] * PEOPLE
    assert {row.state for row in rows(engine).values()} == {"claimed"}


def test_a_full_disk_is_a_database_out_of_reach(tmp_path: Path) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path / 'digest.db'}")
    db.upgrade(engine)
    open_office(engine, PEOPLE)
    enqueue_issue(engine, config(), 12, AT)
    works = claim(engine)
    with pytest.raises(DatabaseUnavailable, match="full"), db.writing(engine) as session:
        session.execute(text("PRAGMA max_page_count = 1"))  # no smaller than it is: it can't grow
        handing.hand(session, [Leave(works[0], "r" * 100_000, AT)])
    assert {row.state for row in rows(engine).values()} == {"claimed"}
    engine.dispose()
