"""The one writer: what is asked for the same commit goes together, in order, and each has its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from digest.deliver.writer import Writer
from digest.errors import DatabaseUnavailable


async def answers(engine: Engine, say: Callable[[Writer, list[Any]], None]) -> tuple[list[Any], BaseException | None]:
    """What was answered, and the writer's failure, after everything that was asked for."""
    told: list[Any] = []
    async with Writer(engine) as writer:
        say(writer, told)
    await asyncio.sleep(0)
    return told, writer.failure.exception() if writer.failure.done() else None


def test_each_is_answered_and_the_order_kept(engine: Engine) -> None:
    seen: list[object] = []

    def double(session: Session, numbers: Sequence[int]) -> list[int]:
        seen.append(list(numbers))
        return [number * 2 for number in numbers]

    async def ask() -> list[int]:
        told: list[int] = []
        async with Writer(engine) as writer:
            writer.ask(double, 1, told.append)
            writer.ask(double, 2, told.append)
            alone = asyncio.create_task(writer.do(lambda session: seen.append("alone")))
            await asyncio.sleep(0)
            writer.ask(double, 3, told.append)
            await alone
        await asyncio.sleep(0)
        return told

    assert asyncio.run(ask()) == [2, 4, 6]
    assert seen == [[1, 2], "alone", [3]]


@pytest.mark.parametrize(
    ("numbers", "told", "failure", "runs"),
    [
        pytest.param([1, 13, 2], [1, 2], ValueError, 4, id="one bad request fails alone"),
        pytest.param([1, 0, 2], [], DatabaseUnavailable, 1, id="a database in trouble fails all"),
    ],
)
def test_errors(engine: Engine, numbers: list[int], told: list[int], failure: type[Exception], runs: int) -> None:
    ran = 0

    def careful(session: Session, numbers: Sequence[int]) -> list[int]:
        nonlocal ran
        ran += 1
        if 13 in numbers:
            raise ValueError("not this one")
        if 0 in numbers:
            raise DatabaseUnavailable("gone")
        return list(numbers)

    def say(writer: Writer, told: list[Any]) -> None:
        writer.hurry()
        for number in numbers:
            writer.ask(careful, number, told.append)

    came, error = asyncio.run(answers(engine, say))
    assert (came, type(error), ran) == (told, failure, runs)


def test_in_a_hurry_a_database_in_trouble_is_tried_once(engine: Engine) -> None:
    ran = 0

    def away(session: Session) -> None:
        nonlocal ran
        ran += 1
        raise DatabaseUnavailable("gone")

    async def ask() -> None:
        async with Writer(engine) as writer:
            writer.hurry()
            for _ in range(3):
                with pytest.raises(DatabaseUnavailable):
                    await writer.do(away)

    asyncio.run(ask())
    assert ran == 1


def test_an_answer_that_is_not_taken_does_not_keep_the_others_from_theirs(engine: Engine) -> None:
    def same(session: Session, numbers: Sequence[int]) -> list[int]:
        return list(numbers)

    def say(writer: Writer, told: list[Any]) -> None:
        writer.ask(same, 1, lambda number: told[number])
        writer.ask(same, 2, told.append)

    came, error = asyncio.run(answers(engine, say))
    assert came == [2]
    assert isinstance(error, IndexError)
