"""What must not strand a run: a server that always hangs up, an error of ours in a callback, a stop at a bad moment."""

from __future__ import annotations

import asyncio
from mailbox import Mailbox
from typing import Any

import pytest
from office import address, open_office, rows
from post import LINKS, config
from sqlalchemy import Engine, select

from digest import db
from digest.config import Config, RelayConfig
from digest.deliver import ledger, outcomes
from digest.deliver.message import Prepared
from digest.deliver.run import deliver, enqueue_issue, now_utc
from digest.deliver.sender import Sender
from digest.errors import RelayUnavailable
from digest.models import Slice, table


def opened(engine: Engine, relay: RelayConfig, people: int = 8) -> Config:
    settings = config(relay)
    open_office(engine, people)
    enqueue_issue(engine, settings, 12, now_utc())
    return settings


@pytest.mark.parametrize(("speech", "last"), [("pipelined", b"DATA"), ("plain", b"RCPT")])
def test_a_relay_that_always_hangs_up_before_the_body_is_troubled(engine: Engine, speech: str, last: bytes) -> None:
    met = 0

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            capable = b"250-here\r\n250 PIPELINING\r\n" if speech == "pipelined" else b"250 here\r\n"
            writer.write({b"EHLO": capable, b"DATA": b"354 go on\r\n"}.get(verb, b"250 well\r\n"))
            if verb == last:
                break
        writer.close()

    async def tried() -> None:
        server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        relay = RelayConfig(name="a", host="127.0.0.1", port=port, security="none", connections=1)
        settings = await asyncio.to_thread(opened, engine, relay)
        with pytest.raises(RelayUnavailable):
            await asyncio.wait_for(deliver(engine, settings, LINKS, issue_id=12), 20)
        server.close()

    asyncio.run(tried())
    assert met < 20
    assert {row.state for row in rows(engine).values()} == {"pending"}


def test_an_error_of_ours_about_one_outcome_ends_the_run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = outcomes.settled

    def broken(outcome: Any, relay: str, work: Any, *rest: Any, **more: Any) -> Any:
        if work.address == address(3):
            raise ZeroDivisionError("a defect")
        return honest(outcome, relay, work, *rest, **more)

    monkeypatch.setattr(outcomes, "settled", broken)
    with Mailbox(judge=False) as mailbox:
        settings = opened(engine, mailbox.relay(connections=1))
        with pytest.raises(ZeroDivisionError):
            asyncio.run(asyncio.wait_for(deliver(engine, settings, LINKS, issue_id=12), 20))
    states = {row.state for row in rows(engine).values()}
    assert states <= {"sent", "pending", "handed"}


def test_a_slice_taken_while_the_stop_comes_is_given_back(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Sender._stationery

    async def stopped(settings: Config) -> None:
        stop = asyncio.Event()

        async def many_variants(sender: Sender, works: list[ledger.Work]) -> dict[int, Prepared]:
            stop.set()
            for _ in range(8):
                await sender.writer.do(lambda session: None)
            return await honest(sender, works)

        monkeypatch.setattr(Sender, "_stationery", many_variants)
        await deliver(engine, settings, LINKS, forever=True, stop=stop)

    with Mailbox() as mailbox:
        settings = opened(engine, mailbox.relay(connections=1))
        asyncio.run(asyncio.wait_for(stopped(settings), 60))
    with db.reading(engine) as session:
        assert session.execute(select(table(Slice).c.holder)).scalars().all() == [None]
    assert {row.state for row in rows(engine).values()} == {"pending"}
