"""One reader's choosing in any order of events: the database agrees with a model of a few lines."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from newsroom import KEY, counting, make_lists, statuses
from sqlalchemy import Engine, delete, select, update

from digest import db
from subscribers import erasing
from subscribers.audience import members, size, why_not
from subscribers.choices import Choices, chosen
from subscribers.columns import table
from subscribers.crowding import MAILS, QUESTIONS, fit
from subscribers.joining import SignUp, admit, join
from subscribers.leaving import unsubscribe
from subscribers.links import FRESH, MOVE_WITHIN, MOVES, ask_link, ask_move, held, move, spend
from subscribers.models import Confirmation, Consent, MailedLink, Subscriber, Subscription, Suppression
from subscribers.preferences import By, Wishes, change, look
from subscribers.tokens import Claim, Purpose

LISTS = ("weekly", "daily")
ADDRESSES = ("ann@example.org", "ann@example.net")
# Each life is 25 events.
EXAMPLES = int(os.environ.get("DIGEST_LIVES", "8"))


def life(engine: Engine, start: datetime) -> type[RuleBasedStateMachine]:
    class Life(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.now, self.random = start, counting()
            self.email: str | None = None  # the person's; None: nobody is here
            self.away: set[str] = set()
            self.on: dict[str, str] = {}
            self.choices: dict[str, Choices] = {}
            self.pauses: dict[str, datetime] = {}
            self.links: list[tuple[int, str, datetime, str]] = []  # number, kind, when, where to
            self.asked: list[datetime] = []  # when the person was mailed a question whether they want to join
            self.used: set[int] = set()
            self.lines = 0
            with db.writing(engine) as session:
                session.execute(update(table(Subscriber)).values(erasing_at=start))
                for model in (Consent, Confirmation, MailedLink, Subscription, Suppression, Subscriber):
                    session.execute(delete(table(model)))

        @rule(hours=st.sampled_from([0.1, 2, 25, 24 * 7, 24 * 29]))
        def time_passes(self, hours: float) -> None:
            self.now += timedelta(hours=hours)

        @precondition(lambda self: self.email is None)
        @rule(email=st.sampled_from(ADDRESSES), lists=st.sets(st.sampled_from(LISTS), min_size=1))
        def come(self, email: str, lists: set[str]) -> None:
            wish = SignUp(email, tuple(sorted(lists)), text="on paper")
            with db.writing(engine) as session:
                admit(session, wish, key=KEY, now=self.now, random_bytes=self.random)
            if email in self.away:
                return
            self.email, self.on, self.choices, self.pauses = email, dict.fromkeys(lists, "confirmed"), {}, {}
            self.links, self.asked, self.used = [], [], set()

        @precondition(lambda self: self.email)
        @rule(
            one=st.sampled_from(LISTS),
            sections=st.sets(st.sampled_from(["asia", "europe"])),
            weeks=st.sampled_from([None, 0, 1, 4]),
        )
        def choose(self, one: str, sections: set[str], weeks: int | None) -> None:
            wanted = chosen(sections=sections)
            until = self.now + timedelta(weeks=weeks) if weeks else None
            pauses = {} if weeks is None else {one: until}
            self._change(Wishes(choices={one: wanted}, pauses=pauses))
            if one in self.on:
                self.choices[one] = wanted
                if weeks is not None:
                    self.pauses.pop(one, None)
                    if until:
                        self.pauses[one] = until

        @precondition(lambda self: self.email)
        @rule(one=st.sampled_from(LISTS), by_page=st.booleans())
        def leave(self, one: str, by_page: bool) -> None:
            if by_page:
                self._change(Wishes(leave=frozenset({one})))
            else:
                with db.writing(engine) as session:
                    unsubscribe(session, self._handle(), one, method="one-click", now=self.now)
            if self.on.get(one) in ("confirmed", "pending"):
                self.on[one] = "unsubscribed"

        @precondition(lambda self: self.email)
        @rule(one=st.sampled_from(LISTS), fresh=st.booleans())
        def join(self, one: str, fresh: bool) -> None:
            sends = self._change(Wishes(join=frozenset({one})), fresh=fresh)
            if self.on.get(one) == "confirmed":
                assert sends == 0
                return
            self.on[one] = "confirmed" if fresh else "pending"
            assert sends == (not fresh and self._may_mail(str(self.email), question=True))
            if sends:
                self.asked.append(self.now)

        @precondition(lambda self: self.email)
        @rule()
        def ask_for_the_link(self) -> None:
            with db.writing(engine) as session:
                letter = ask_link(session, str(self.email), key=KEY, now=self.now)
            self._asked("link", letter.number if letter else None, "")

        @precondition(lambda self: self.links)
        @rule(data=st.data(), to=st.sampled_from(ADDRESSES))
        def follow(self, data: st.DataObject, to: str) -> None:
            number, kind, at, where = data.draw(st.sampled_from(self.links))
            works = number not in self.used and number == max(n for n, k, _, _ in self.links if k == kind)
            works = works and self.now < at + (FRESH if kind == "link" else MOVE_WITHIN)
            with db.writing(engine) as session:
                purpose = Purpose.ACCOUNT if kind == "link" else Purpose.MOVE
                holder = held(session, Claim(purpose, self._handle(), str(number)), self.now, lock=True)
                assert (holder is not None) == works
                if holder is None:
                    return
                if kind == "move":
                    told = move(session, holder, key=KEY, now=self.now)
                    assert (told is not None) == (where != self.email and where not in self.away)
                    if told:
                        assert told.address == self.email
                        self.email = where
                        self.used.add(number)
                elif to == self.email:
                    assert spend(session, holder, self.now)
                    assert not spend(session, holder, self.now)
                    self.used.add(number)
                    return
                else:
                    letter = ask_move(session, holder, to, key=KEY, now=self.now)
                    if to in self.away:
                        assert letter is None
                    else:
                        self._asked("move", letter.number if letter else None, to)

        @precondition(lambda self: self.email)
        @rule()
        def erase(self) -> None:
            with db.writing(engine) as session:
                leaver = erasing.begin(session, str(self.email), self.now)
                erasing.end(session, [leaver.id])
                erasing.keep_hashes(session, leaver.addresses, key=KEY, now=self.now)
                assert self.email == leaver.addresses[0]
                self.away |= set(leaver.addresses)
                wish = SignUp(str(self.email), LISTS)
                assert join(session, wish, key=KEY, now=self.now, random_bytes=self.random).sends == ()
            self.email, self.on, self.choices, self.pauses, self.lines = None, {}, {}, {}, 0
            self.links, self.asked = [], []

        def _may_mail(self, to: str, *, question: bool) -> bool:
            own = self.asked if to == self.email else []
            questions = [*own, *(at for _, kind, at, where in self.links if kind == "move" and where == to)]
            links = [at for _, kind, at, _ in self.links if kind == "link" and to == self.email]
            return fit([*questions, *links], MAILS, self.now) and not (
                question and not fit(questions, QUESTIONS, self.now)
            )

        def _asked(self, kind: str, number: int | None, to: str) -> None:
            may = self._may_mail(to or str(self.email), question=kind == "move")
            moves = [at for _, k, at, _ in self.links if k == "move"]
            assert (number is not None) == (may and (kind == "link" or fit(moves, MOVES, self.now)))
            if number is not None:
                self.links.append((number, kind, self.now, to))

        def _handle(self) -> bytes:
            with db.reading(engine) as session:
                return bytes(session.execute(select(table(Subscriber).c.handle)).scalar_one())

        def _change(self, wishes: Wishes, *, fresh: bool = False) -> int:
            by = By("192.0.2.7", "https://x.example", "Yes.", "en", fresh=fresh)
            means = {"key": KEY, "now": self.now, "random_bytes": self.random}
            with db.writing(engine) as session:
                return len(change(session, self._handle(), wishes, by, **means).sends)

        @invariant()
        def database_is_the_model(self) -> None:
            with db.reading(engine) as session:
                assert [row.email for row in session.execute(select(table(Subscriber)))] == [self.email] * bool(
                    self.email
                )
                lines = len(session.execute(select(table(Consent))).all())
                assert lines >= self.lines  # only added to, until the person is erased
                self.lines = lines
                if self.email is None:
                    assert all(size(session, one, self.now) == 0 for one in LISTS)
                    return
                assert statuses(session, self.email) == self.on
                reader = look(session, self._handle(), self.now)
                assert reader
                for place in reader.places:
                    one = place.list_id
                    until = self.pauses.get(one)
                    assert place.choices == self.choices.get(one, Choices())
                    assert place.paused_until == (until if until and until > self.now else None)
                    gets = self.on.get(one) == "confirmed" and not (until and until > self.now)
                    assert size(session, one, self.now) == gets
                    assert len(members(session, one, 0, 9, now=self.now)) == gets
                    assert (why_not(session, reader.id, one, self.now) == "") == gets

    return Life


def test_any_order_of_events(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
    run_state_machine_as_test(
        life(engine, now),
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
