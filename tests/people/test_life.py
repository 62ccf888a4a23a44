"""One subscriber's life in any order of events: the database agrees with a model of a few lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from newsroom import KEY, claim, counting, handle, make_lists, sign_up, statuses
from sqlalchemy import Engine, delete, select, update
from sqlmodel import Session

from digest import db
from subscribers.audience import CONFIRM_MAILS, EVERYWHERE, size
from subscribers.choices import Choices, chosen, written
from subscribers.columns import table
from subscribers.crowding import QUESTIONS
from subscribers.joining import CONFIRM_WITHIN, Outcome, confirm, decline
from subscribers.leaving import suppress, unsubscribe, unsubscribe_everywhere
from subscribers.models import Confirmation, Consent, Subscriber, Subscription, Suppression
from subscribers.tokens import Purpose

# How many orders of 25 events are tried; 400 make 10,000 interleavings of each kind of database.
ORDERS = int(os.environ.get("LIFE_ORDERS", "40"))
ANN = "ann@example.org"
LISTS = ("weekly", "daily")


def life(engine: Engine, start: datetime) -> type[RuleBasedStateMachine]:
    class Life(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.now = start
            self.random = counting()
            self.status: dict[str, str] = {}
            self.choices: dict[str, dict[str, Any]] = {}
            self.away: set[str] = set()
            # Confirm mails in their order: number, when, lists, how it ended.
            self.mails: list[tuple[int, datetime, tuple[str, ...]]] = []
            self.used: set[tuple[int, str]] = set()
            self.declined: set[tuple[int, str]] = set()
            with db.writing(engine) as session:
                session.execute(update(table(Subscriber)).values(erasing_at=start))
                for model in (Consent, Confirmation, Subscription, Suppression, Subscriber):
                    session.execute(delete(table(model)))

        @contextmanager
        def transaction(self) -> Iterator[Session]:
            with db.writing(engine) as session:
                yield session

        def latest(self, list_id: str) -> int | None:
            return max((number for number, _, lists in self.mails if list_id in lists), default=None)

        @rule(hours=st.sampled_from([1, 12, 24, 48, 24 * 7, 24 * 30]))
        def time_passes(self, hours: int) -> None:
            self.now += timedelta(hours=hours)

        @rule(lists=st.lists(st.sampled_from(LISTS), min_size=1, max_size=2, unique=True))
        def sign_up(self, lists: list[str]) -> None:
            self.sign_up_for(lists, {})

        def sign_up_for(self, lists: list[str], wish: dict[str, Choices]) -> None:
            self.now += timedelta(seconds=1)
            with self.transaction() as session:
                sends = sign_up(session, ANN, *lists, now=self.now, random=self.random, choices=wish).sends
            wanted = [one for one in lists if one not in self.away and self.status.get(one) != "confirmed"]
            if self.away & {EVERYWHERE, CONFIRM_MAILS} or not wanted:
                assert sends == ()
                return
            self.status |= dict.fromkeys(wanted, "pending")
            recent = [[at for _, at, _ in self.mails if at > self.now - span] for span, _ in QUESTIONS]
            if any(len(mails) >= most for mails, (_, most) in zip(recent, QUESTIONS, strict=True)):
                assert sends == ()
                return
            (send,) = sends
            assert (send.list_id, *send.also) == tuple(wanted)
            self.mails.append((send.confirmation_id, self.now, tuple(wanted)))

        @precondition(lambda self: self.mails)
        @rule(data=st.data())
        def press_confirm(self, data: st.DataObject) -> None:
            number, at, lists = data.draw(st.sampled_from(self.mails))
            with self.transaction() as session:
                answer = confirm(session, claim(session, Purpose.CONFIRM, ANN, number), now=self.now)
            done = []
            for one in lists:
                dead = (number, one) in self.declined or one in self.away or EVERYWHERE in self.away
                if self.latest(one) != number or dead:
                    continue
                fresh = (number, one) not in self.used and self.now < at + CONFIRM_WITHIN
                if self.status[one] == "pending" and fresh:
                    self.status[one] = "confirmed"
                    self.used.add((number, one))
                if self.status[one] == "confirmed":
                    done.append(one)
            assert (answer.outcome, answer.list_ids) == (Outcome.DONE if done else Outcome.STALE, tuple(done))

        @precondition(lambda self: self.mails)
        @rule(data=st.data())
        def did_not_ask(self, data: st.DataObject) -> None:
            number, _, lists = data.draw(st.sampled_from(self.mails))
            with self.transaction() as session:
                decline(session, claim(session, Purpose.DECLINE, ANN, number), now=self.now)
            if (number, lists[0]) in self.used or self.status[lists[0]] == "confirmed":
                return
            for one in lists:
                if self.status[one] == "pending" and (number, one) not in self.used:
                    self.status[one] = "declined"
                    self.declined.add((number, one))
            self.away.add(CONFIRM_MAILS)

        @precondition(lambda self: self.status)
        @rule(one=st.sampled_from(LISTS))
        def leave(self, one: str) -> None:
            with self.transaction() as session:
                known = unsubscribe(session, handle(session, ANN), one, method="one-click", now=self.now)
            assert known == (one in self.status)
            if self.status.get(one) in ("pending", "confirmed"):
                self.status[one] = "unsubscribed"

        @precondition(lambda self: self.status)
        @rule(one=st.sampled_from(LISTS), method=st.sampled_from(["page", "mail"]))
        def leave_everything(self, one: str, method: str) -> None:
            with self.transaction() as session:
                ann = handle(session, ANN)
                known = unsubscribe_everywhere(session, ann, one, method=method, ip="", now=self.now)
            assert known == (one in self.status)
            if known:
                left = {name: "unsubscribed" for name, at in self.status.items() if at in ("pending", "confirmed")}
                self.status |= left

        @rule(lists=st.lists(st.sampled_from(LISTS), min_size=1, unique=True), sections=st.sets(st.sampled_from("abc")))
        def sign_up_with_choices(self, lists: list[str], sections: set[str]) -> None:
            wish = dict.fromkeys(lists, chosen(sections=sections))
            open_ = not self.away & {EVERYWHERE, CONFIRM_MAILS}
            for one in lists:
                if open_ and one not in self.away and self.status.get(one) != "confirmed":
                    self.choices[one] = written(wish[one])
            self.sign_up_for(lists, wish)

        @precondition(lambda self: len(self.mails) > 1)
        @rule(scope=st.sampled_from([EVERYWHERE, "weekly", CONFIRM_MAILS]))
        def suppress(self, scope: str) -> None:
            with self.transaction() as session:
                new = suppress(session, ANN, key=KEY, reason="", scope=scope, now=self.now)
            assert new == (scope not in self.away)
            self.away.add(scope)
            for one, status in self.status.items():
                if scope in (EVERYWHERE, one) and status in ("pending", "confirmed"):
                    self.status[one] = "unsubscribed"

        @invariant()
        def database_is_the_model(self) -> None:
            with db.reading(engine) as session:
                assert statuses(session, ANN) == self.status
                kept = session.execute(select(table(Subscription).c.list_id, table(Subscription).c.choices)).all()
                assert {row.list_id: row.choices for row in kept} == {
                    one: self.choices.get(one, {}) for one in self.status
                }
                for one in LISTS:
                    mailed = self.status.get(one) == "confirmed" and not self.away & {EVERYWHERE, one}
                    assert size(session, one, self.now) == mailed

    return Life


def test_any_order_of_events(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
    run_state_machine_as_test(
        life(engine, now),
        settings=settings(
            max_examples=ORDERS, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
