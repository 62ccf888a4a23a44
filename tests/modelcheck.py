"""SECURITY Part C as a small machine, explored state by state (R-51): every crash, at every place, in every order.

A few recipients in one slice, two workers with one connection each, a server that takes a message or does not, says
so or does not. What a worker knows is lost when it crashes; what it has written may still arrive. `explore` walks all
states that can be reached with so many faults, and tells the first promise that is broken, with the way there.

What a state keeps is what matters: which worker's fence is the slice's, not the number of it; recipients are
interchangeable, and so are workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from digest.deliver.ledger import MOVES
from digest.models import DeliveryState as S


class Bug(StrEnum):
    """A way of building the engine wrong."""

    NONE = "none"
    SENT_AT_LEAVE = "marked sent before the body is written"
    AFTER_BATCH = "outcomes committed when the whole batch is through"
    WATERMARK = "a batch counts as done when it is fetched"
    NO_FENCE_AT_LEAVE = "leave given without comparing the fence"
    UNKNOWN_IS_SENT = "no answer is taken for a yes"
    UNKNOWN_IS_PENDING = "no answer is taken for a no under hold"
    HANDED_IS_PENDING = "what a dead worker had handed over is taken for not sent under hold"
    PERMISSION_AT_CLAIM = "permission is looked at when the slice is claimed"
    WRITTEN_BEFORE_LEAVE = "the body is written before leave is committed"


class Place(StrEnum):
    """How far a worker is with a row."""

    NOT = "-"  # not in its hands
    TO_DO = "to do"
    LEAVE = "leave"  # handed is committed
    WRITTEN = "written"
    YES = "250"
    NO = "451"
    BYE = "421"
    SILENCE = "closed"


class Row(NamedTuple):
    """A delivery, what the server has of it, and where each worker is with it."""

    state: S = S.PENDING
    copies: int = 0
    adrift: int = 0  # bodies that a dead worker wrote, and the server may still take
    put_off: bool = False  # the server has put it off once, and does so no more
    left: bool = False  # the person has unsubscribed
    places: tuple[Place, Place] = (Place.NOT, Place.NOT)


class Grip(StrEnum):
    """What a worker has of the slice."""

    NONE = "none"
    FRESH = "fresh"  # its fence is the slice's
    STALE = "stale"  # somebody has taken the slice since


class State(NamedTuple):
    """Everything there is."""

    rows: tuple[Row, ...]
    grips: tuple[Grip, Grip] = (Grip.NONE, Grip.NONE)
    expired: bool = False  # the lease ran out over a worker that lives
    faults: int = 0  # crashes, leases run out, connections closed
    wrong: str = ""  # a promise broken on the way


@dataclass(frozen=True)
class Terms:
    """What is explored."""

    policy: str = "resend"
    window: int = 1
    recipients: int = 3
    faults: int = 2
    leaving: int = 1  # people who may unsubscribe
    bug: Bug = Bug.NONE


@dataclass(frozen=True)
class Found:
    """What exploring came to."""

    states: int
    ends: int
    moves: frozenset[tuple[S, S]]
    broken: str = ""
    way: tuple[str, ...] = ()


DONE = frozenset({S.SENT, S.FAILED, S.HELD, S.SKIPPED})
_HEARD = (Place.YES, Place.NO, Place.BYE, Place.SILENCE)
_BUSY = (Place.LEAVE, Place.WRITTEN, *_HEARD)


class Machine:
    """The moves that are possible from a state."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.moves: set[tuple[S, S]] = set()

    def first(self) -> State:
        """Everybody is owed the issue."""
        return State(tuple(Row() for _ in range(self.terms.recipients)))

    def after(self, state: State) -> Iterator[tuple[str, State]]:
        """Every move with its name; a fault's begins with an exclamation mark."""
        for worker in (0, 1):
            if state.grips[worker] is Grip.NONE:
                if Grip.FRESH not in state.grips or state.expired:
                    yield from self._claim(state, worker)
                continue
            yield from self._work(state, worker)
        yield from self._elsewhere(state)

    def _work(self, state: State, worker: int) -> Iterator[tuple[str, State]]:
        # Under that bug the next message does not wait for the last one's outcome.
        open_ = (Place.LEAVE, Place.WRITTEN) if self.terms.bug is Bug.AFTER_BATCH else _BUSY
        busy = sum(row.places[worker] in open_ for row in state.rows)
        for number, row in enumerate(state.rows):
            match row.places[worker]:
                case Place.TO_DO if busy < self.terms.window:
                    yield f"leave {worker}", self._leave(state, worker, number)
                case Place.LEAVE:
                    yield f"write {worker}", self._at(state, worker, number, Place.WRITTEN)
                case Place.WRITTEN:
                    yield from self._answered(state, worker, number)
                case heard if heard in _HEARD and self._may_settle(state, worker):
                    yield f"settle {worker}", self._settle(state, worker, number)
        if all(row.places[worker] is Place.NOT for row in state.rows):
            yield f"release {worker}", self._release(state, worker)
        if state.faults < self.terms.faults:
            yield f"! crash {worker}", self._crash(state, worker)
            if state.grips[worker] is Grip.FRESH and not state.expired:
                yield f"! lease of {worker} runs out", state._replace(expired=True, faults=state.faults + 1)

    def _elsewhere(self, state: State) -> Iterator[tuple[str, State]]:
        for number, row in enumerate(state.rows):
            if row.adrift:
                less = row._replace(adrift=row.adrift - 1)
                yield "adrift, taken", _with(state, number, less._replace(copies=row.copies + 1))
                yield "adrift, lost", _with(state, number, less)
            if not row.left and sum(one.left for one in state.rows) < self.terms.leaving:
                yield "! unsubscribe", _with(state, number, row._replace(left=True))

    def _claim(self, state: State, worker: int) -> Iterator[tuple[str, State]]:
        if all(row.state in DONE for row in state.rows):
            return
        rows = []
        for row in state.rows:
            back = self._recovered(row)
            if back.state in (S.PENDING, S.DEFERRED):
                to = S.SKIPPED if back.left and self.terms.bug is Bug.PERMISSION_AT_CLAIM else S.CLAIMED
                back = self._moved(back, to)
            mine = Place.TO_DO if back.state is S.CLAIMED else Place.NOT
            if back.state is S.CLAIMED and row.state is S.CLAIMED and self.terms.bug is Bug.WATERMARK:
                mine = Place.NOT
            rows.append(_placed(back, worker, mine))
        grips = tuple(Grip.FRESH if n == worker else _stale(grip) for n, grip in enumerate(state.grips))
        yield f"claim {worker}", state._replace(rows=tuple(rows), grips=grips, expired=False)

    def _recovered(self, row: Row) -> Row:
        bug = self.terms.bug
        if row.state is S.CLAIMED and bug is not Bug.WATERMARK:
            return self._moved(row, S.PENDING)
        if row.state is S.HANDED:
            if bug is Bug.HANDED_IS_PENDING:
                return row._replace(state=S.PENDING)
            return self._resolved(self._moved(row, S.UNKNOWN))
        return row

    def _resolved(self, row: Row) -> Row:
        if self.terms.bug is Bug.UNKNOWN_IS_SENT:
            return row._replace(state=S.SENT)
        kept = self.terms.policy == "hold" and self.terms.bug is not Bug.UNKNOWN_IS_PENDING
        return self._moved(row, S.HELD if kept else S.PENDING)

    def _leave(self, state: State, worker: int, number: int) -> State:
        row, bug = state.rows[number], self.terms.bug
        unfenced = bug is Bug.NO_FENCE_AT_LEAVE
        if state.grips[worker] is Grip.STALE and not unfenced:
            return self._dropped(state, worker)
        if row.state is not S.CLAIMED and not (unfenced and row.state is S.PENDING):
            return self._at(state, worker, number, Place.NOT)
        if row.left and bug is not Bug.PERMISSION_AT_CLAIM:
            return _with(state, number, _placed(self._moved(row, S.SKIPPED), worker, Place.NOT))
        wrong = "mailed after unsubscribing" if row.left else ""
        if bug is Bug.WRITTEN_BEFORE_LEAVE:
            return self._at(state, worker, number, Place.WRITTEN)
        to = S.SENT if bug is Bug.SENT_AT_LEAVE else S.HANDED
        row = row._replace(state=to) if bug in (Bug.SENT_AT_LEAVE, Bug.NO_FENCE_AT_LEAVE) else self._moved(row, to)
        return _with(state, number, _placed(row, worker, Place.LEAVE))._replace(wrong=wrong)

    def _answered(self, state: State, worker: int, number: int) -> Iterator[tuple[str, State]]:
        row = state.rows[number]
        taken = row._replace(copies=row.copies + 1)
        yield f"250 to {worker}", _with(state, number, _placed(taken, worker, Place.YES))
        if not row.put_off:
            put_off = row._replace(put_off=True)
            yield f"451 to {worker}", _with(state, number, _placed(put_off, worker, Place.NO))
            yield f"421 to {worker}", _with(state, number, _placed(put_off, worker, Place.BYE))
        if state.faults < self.terms.faults:
            closed = state._replace(faults=state.faults + 1)
            yield f"! taken, closed on {worker}", _with(closed, number, _placed(taken, worker, Place.SILENCE))
            yield f"! not taken, closed on {worker}", _with(closed, number, _placed(row, worker, Place.SILENCE))

    def _may_settle(self, state: State, worker: int) -> bool:
        if self.terms.bug is not Bug.AFTER_BATCH:
            return True
        return not any(row.places[worker] in (Place.TO_DO, Place.LEAVE, Place.WRITTEN) for row in state.rows)

    def _settle(self, state: State, worker: int, number: int) -> State:
        row = state.rows[number]
        heard, bug = row.places[worker], self.terms.bug
        put_down = _placed(row, worker, Place.NOT)
        early = bug is Bug.WRITTEN_BEFORE_LEAVE and row.state is S.CLAIMED and state.grips[worker] is Grip.FRESH
        if early:
            row, put_down = row._replace(state=S.HANDED), put_down._replace(state=S.HANDED)
        elif state.grips[worker] is Grip.STALE or row.state is not S.HANDED:
            return _with(state, number, put_down)  # not ours to settle any more
        if heard is Place.YES:
            return _with(state, number, self._moved(put_down, S.SENT))
        if heard is Place.BYE:
            return _with(state, number, _placed(self._moved(row, S.CLAIMED), worker, Place.TO_DO))
        if heard is Place.NO:
            return _with(state, number, self._moved(put_down, S.DEFERRED))
        return _with(state, number, self._resolved(self._moved(put_down, S.UNKNOWN)))

    def _release(self, state: State, worker: int) -> State:
        if state.grips[worker] is Grip.STALE:
            return self._dropped(state, worker)
        rows = tuple(self._moved(row, S.PENDING) if row.state is S.CLAIMED else row for row in state.rows)
        if self.terms.bug is Bug.WATERMARK:
            rows = state.rows
        return self._dropped(state._replace(rows=rows, expired=False), worker)

    def _crash(self, state: State, worker: int) -> State:
        rows = tuple(row._replace(adrift=row.adrift + (row.places[worker] is Place.WRITTEN)) for row in state.rows)
        expired = state.expired and state.grips[worker] is not Grip.FRESH
        crashed = state._replace(rows=rows, expired=expired, faults=state.faults + 1)
        return self._dropped(crashed, worker)

    def _dropped(self, state: State, worker: int) -> State:
        rows = tuple(_placed(row, worker, Place.NOT) for row in state.rows)
        grips = tuple(Grip.NONE if n == worker else grip for n, grip in enumerate(state.grips))
        return state._replace(rows=rows, grips=grips)

    def _at(self, state: State, worker: int, number: int, place: Place) -> State:
        return _with(state, number, _placed(state.rows[number], worker, place))

    def _moved(self, row: Row, to: S) -> Row:
        assert to in MOVES[row.state], f"{row.state} -> {to}"
        self.moves.add((row.state, to))
        return row._replace(state=to)


def _with(state: State, number: int, row: Row) -> State:
    return state._replace(rows=(*state.rows[:number], row, *state.rows[number + 1 :]))


def _placed(row: Row, worker: int, place: Place) -> Row:
    places = (place, row.places[1]) if worker == 0 else (row.places[0], place)
    return row._replace(places=places)


def _stale(grip: Grip) -> Grip:
    return Grip.STALE if grip is Grip.FRESH else grip


def broken(state: State, terms: Terms) -> str:
    """The promise of Part C that does not hold in this state, or nothing."""
    if state.wrong:
        return state.wrong
    for row in state.rows:
        if row.state is S.SENT and not row.copies:
            return "sent, and the server never took it"
        if terms.policy == "hold" and row.copies > 1:
            return "a second copy under hold"
        if row.state in (S.FAILED, S.SKIPPED) and row.copies and terms.policy == "hold":
            return f"{row.state}, and the server took it"
    doubled = sum(max(0, row.copies - 1) for row in state.rows)
    unsure = sum(row.state is S.HELD for row in state.rows)
    if max(doubled, unsure) > state.faults * terms.window:
        return f"{doubled} doubled and {unsure} held after {state.faults} faults"
    return ""


def explore(terms: Terms) -> Found:
    """Walk every state that can be reached, and stop at the first broken promise.

    Promises are `broken`'s, and: from every state the end can be reached without a further fault, and a state in
    which nothing can be done any more is an end, where every row is settled.
    """
    machine = Machine(terms)
    start = _canonical(machine.first())
    before: dict[State, tuple[State, str] | None] = {start: None}
    back: dict[State, list[State]] = {start: []}
    ends, waiting = [], deque([start])
    while waiting:
        state = waiting.popleft()
        if why := broken(state, terms):
            return Found(len(before), len(ends), frozenset(machine.moves), why, _way(before, state))
        on = [(name, _canonical(following)) for name, following in machine.after(state)]
        if all(row.state in DONE for row in state.rows) and set(state.grips) == {Grip.NONE}:
            ends.append(state)
        for name, following in on:
            if following not in before:
                before[following] = (state, name)
                back[following] = []
                waiting.append(following)
            if not name.startswith("!"):
                back[following].append(state)
    stuck = set(before) - _leading_to(ends, back)
    if stuck:
        state = next(one for one in before if one in stuck)
        return Found(len(before), len(ends), frozenset(machine.moves), "somebody is never settled", _way(before, state))
    return Found(len(before), len(ends), frozenset(machine.moves))


def _leading_to(ends: list[State], back: dict[State, list[State]]) -> set[State]:
    found, waiting = set(ends), deque(ends)
    while waiting:
        for state in back[waiting.popleft()]:
            if state not in found:
                found.add(state)
                waiting.append(state)
    return found


def _canonical(state: State) -> State:
    """The same state with recipients and workers in an order of their own."""
    swapped = State(
        tuple(sorted(row._replace(places=(row.places[1], row.places[0])) for row in state.rows)),
        (state.grips[1], state.grips[0]),
        *state[2:],
    )
    return min(state._replace(rows=tuple(sorted(state.rows))), swapped)


def _way(before: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    names = []
    while (step := before[state]) is not None:
        state, name = step
        names.append(name)
    return tuple(reversed(names))
