"""Clicks that come at once are one commit: a hundred of them wait for the disk once, not each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from digest import db

Step = Callable[[Session], object]


@dataclass
class _Wish:
    """A step that somebody waits for, and what became of it."""

    step: Step
    done: bool = False
    error: Exception | None = None


class Together:
    """Whoever gets the lock does what all have asked for by then; the others find it done."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._wishes: list[_Wish] = []

    def do(self, step: Step) -> None:
        """Run `step`, once more if need be, in a transaction that others may share, and return after its commit; its
        error is raised."""
        wish = _Wish(step)
        self._wishes.append(wish)
        with self._lock:
            if not wish.done:
                self._do_all()
        if wish.error:
            raise wish.error

    def _do_all(self) -> None:
        wishes: list[_Wish] = []
        error: Exception | None = None
        try:
            with db.writing(self._engine) as session:
                session.connection()  # from here on nobody else writes: who asked while we waited is taken along
                wishes = self._taken()
                for wish in wishes:
                    wish.step(session)
        except Exception as caught:  # nothing of it was committed
            error = caught
            if len(wishes) > 1:  # one of them is what failed: each for itself
                for wish in wishes:
                    self._do_alone(wish)
                return
            wishes = wishes or self._taken()
        for wish in wishes:
            wish.done, wish.error = True, error

    def _do_alone(self, wish: _Wish) -> None:
        try:
            with db.writing(self._engine) as session:
                wish.step(session)
        except Exception as caught:
            wish.error = caught
        wish.done = True

    def _taken(self) -> list[_Wish]:
        wishes, self._wishes = self._wishes, []
        return wishes
