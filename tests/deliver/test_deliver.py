"""The whole of delivery against a real server: rows, messages, replies, outcomes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from mailbox import DROP, SPEECHES, Envelope, Mailbox, greylist, refuse
from typing import Any

import pytest
from office import address, change_issue, handle, issue_state, leave, open_office, rows
from post import LINKS, config
from sqlalchemy import Engine

from digest import db
from digest.deliver import reporting, sender
from digest.deliver.run import Delivered, deliver, enqueue_issue
from digest.errors import IllegalMove, NeedsDecision, RelayUnavailable
from digest.models import DeliveryState, IssueState

OWNERS = {LINKS.unsubscribe(handle(n), "weekly"): address(n) for n in range(1, 3000)}


def box(**how: Any) -> Mailbox:
    return Mailbox(owner=OWNERS.__getitem__, **how)


# When the fiftieth message is being taken: a whole window, the fiftieth in it, on both connections.
IN_FLIGHT = 2 * 4


def now() -> datetime:
    return datetime.now(UTC)


def send(engine: Engine, mailbox: Mailbox, **how: Any) -> Delivered:
    mail = {name: how.pop(name) for name in ("unknown", "retry_first_s", "expire_h", "undo_s") if name in how}
    relay = {name: how.pop(name) for name in ("connections", "messages_per_connection", "window") if name in how}
    settings = config(mailbox.relay(**relay), **mail)
    if issue_state(engine) == IssueState.FROZEN:
        enqueue_issue(engine, settings, 12, now())
    return asyncio.run(deliver(engine, settings, LINKS, issue_id=12, **how))


def test_everybody_gets_the_issue_once(engine: Engine) -> None:
    open_office(engine, 250)
    with box() as mailbox:
        told = send(engine, mailbox)
        again = send(engine, mailbox)
    assert told == again
    assert told.counts == {**dict.fromkeys((s.value for s in DeliveryState), 0), "sent": 250}
    assert sorted(got.rcpt for got in mailbox.messages) == sorted(map(address, range(1, 251)))
    assert issue_state(engine) == IssueState.SENT
    assert {got.mail for got in mailbox.messages} == {"news@review.example"}
    assert len({got.header("Message-ID") for got in mailbox.messages}) == 250


def test_an_issue_without_readers_is_sent(engine: Engine) -> None:
    open_office(engine, 0)
    with box() as mailbox:
        send(engine, mailbox)
    assert issue_state(engine) == IssueState.SENT


def test_greylisted_mail_arrives_with_the_same_date_and_id(engine: Engine) -> None:
    open_office(engine, 30)
    with box(behaviour=greylist()) as mailbox:
        told = send(engine, mailbox, until_done=True)
    assert told.counts["sent"] == 30
    assert {row.attempts for row in rows(engine).values()} == {2}
    assert {got.header("Date") for got in mailbox.messages} == {"Fri, 20 Nov 2026 07:00:00 +0000"}


def test_a_run_that_does_not_wait_leaves_deferred_rows(engine: Engine) -> None:
    open_office(engine, 5)
    with box(behaviour=greylist()) as mailbox:
        told = send(engine, mailbox, retry_first_s=900)
    row = rows(engine)[address(1)]
    assert told.counts["deferred"] == 5
    assert (row.code, row.enhanced, row.reason) == (451, "4.7.1", "greylisted, try again")
    assert row.next_try_at
    assert timedelta(seconds=700) < row.next_try_at - now() < timedelta(seconds=1100)


@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
def test_a_refused_recipient_fails_with_the_reason_and_the_others_do_not(engine: Engine, stage: str) -> None:
    open_office(engine, 20)
    speech = SPEECHES["pipelined" if stage == "data" else "chunked"]
    with box(behaviour=refuse({address(7): "550 5.1.1 nobody here"}, stage), extensions=speech) as mailbox:
        told = send(engine, mailbox, connections=1)
    row = rows(engine)[address(7)]
    assert (told.counts["sent"], told.counts["failed"]) == (19, 1)
    assert (row.state, row.code, row.enhanced, row.reason) == ("failed", 550, "5.1.1", "nobody here")


@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
def test_421_at_any_place_defers_and_loses_nobody(engine: Engine, stage: str) -> None:
    open_office(engine, 20)
    said: list[str] = []

    def goodbye(at: str, envelope: Envelope) -> str | None:
        if at != stage or envelope.rcpt != address(7) or said:
            return None
        said.append(at)
        return "421 4.3.2 bye"

    speech = SPEECHES["pipelined" if stage == "data" else "chunked"]
    with box(behaviour=goodbye, extensions=speech) as mailbox:
        told = send(engine, mailbox, until_done=True)
    assert told.counts["sent"] == 20
    assert len(mailbox.messages) == 20


@pytest.mark.parametrize(("speech", "end"), [("plain", DROP), ("pipelined", DROP), ("chunked", "421 4.3.2 enough")])
def test_a_relay_that_closes_every_few_messages_loses_and_doubles_nobody(engine: Engine, speech: str, end: str) -> None:
    open_office(engine, 60)
    count = 0

    def closing(at: str, envelope: Envelope) -> str | None:
        nonlocal count
        count += at == "rset"
        return end if at == "rset" and count % 5 == 0 else None

    with box(behaviour=closing, extensions=SPEECHES[speech]) as mailbox:
        # A chunked connection's end may swallow the 421 before it, which makes what was under way unknown.
        told = send(engine, mailbox, connections=2, until_done=speech == "chunked")
    assert told.counts["sent"] == 60
    assert len(mailbox.messages) == 60


def test_a_refused_sender_is_nobodys_bounce(engine: Engine) -> None:
    open_office(engine, 10)
    with box(behaviour=refuse({"*": "550 5.7.1 you may not"}, "mail")) as mailbox:
        with pytest.raises(RelayUnavailable, match="you may not"):
            send(engine, mailbox)
        assert {row.state for row in rows(engine).values()} == {"pending"}
        assert {row.attempts for row in rows(engine).values()} == {0}
        mailbox.behave(None)
        assert send(engine, mailbox).counts["sent"] == 10


def test_an_unreachable_relay_is_said_in_one_sentence_and_another_takes_over(engine: Engine) -> None:
    open_office(engine, 10)
    with box() as mailbox:
        dead = mailbox.relay(name="dead", port=1)
        settings = config(dead)
        enqueue_issue(engine, settings, 12, now())
        with pytest.raises(RelayUnavailable, match="relay dead"):
            asyncio.run(deliver(engine, settings, LINKS))
        told = asyncio.run(deliver(engine, config(dead, mailbox.relay()), LINKS))
    assert told.counts == {"sent": 10}


@pytest.mark.parametrize(("policy", "state", "copies"), [("resend", "sent", 2), ("hold", "held", 1)])
def test_a_connection_lost_after_the_dot_is_unknown(engine: Engine, policy: str, state: str, copies: int) -> None:
    open_office(engine, 3)
    taken: list[str] = []

    def lost(at: str, envelope: Envelope) -> str | None:
        if at == "dot" and envelope.rcpt == address(2) and not taken:
            taken.append(envelope.rcpt)
            kept.keep(envelope)
            return DROP
        return None

    class Kept:
        box: Mailbox

        def keep(self, envelope: Envelope) -> None:
            self.box._recorder.accept(envelope)

    kept = Kept()
    with box(behaviour=lost) as mailbox:
        kept.box = mailbox
        told = send(engine, mailbox, unknown=policy, until_done=True, window=1)
    assert told.counts["sent"] == (3 if state == "sent" else 2)
    assert rows(engine)[address(2)].state == state
    assert rows(engine)[address(2)].reason
    assert len(mailbox.to(address(2))) == copies
    assert len({got.raw for got in mailbox.to(address(2))}) == 1


def test_who_left_before_their_transaction_began_gets_nothing(engine: Engine) -> None:
    open_office(engine, 20)
    gone: list[str] = []

    def leaving(at: str, envelope: Envelope) -> None:
        if at == "connect" and not gone:
            gone.append(at)
            leave(engine, 9)

    with box(behaviour=leaving) as mailbox:
        told = send(engine, mailbox, connections=2)
    row = rows(engine)[address(9)]
    assert (told.counts["sent"], told.counts["skipped"]) == (19, 1)
    assert (row.state, row.reason) == ("skipped", "unsubscribed")
    assert mailbox.to(address(9)) == []


def after(count: int, act: Any) -> Any:
    """Behaviour: when that many recipients were named, `act` once."""
    seen = 0

    def answer(at: str, envelope: Envelope) -> None:
        nonlocal seen
        seen += at == "rcpt"
        if at == "rcpt" and seen == count:
            act()

    return answer


def test_cancelling_skips_the_rest_and_leaves_a_ledger(engine: Engine) -> None:
    open_office(engine, 1500)
    with box(behaviour=after(50, lambda: change_issue(engine, state=IssueState.CANCELLED))) as mailbox:
        told = send(engine, mailbox, connections=2, until_done=True)
    assert len(mailbox.messages) <= 49 + IN_FLIGHT
    assert told.counts["sent"] == len(mailbox.messages)
    assert told.counts["skipped"] == 1500 - len(mailbox.messages)
    assert {row.reason for row in rows(engine).values() if row.state == "skipped"} == {"cancelled"}


def test_pausing_stops_and_resuming_sends_exactly_the_rest(engine: Engine) -> None:
    open_office(engine, 200)
    with box(behaviour=after(50, lambda: change_issue(engine, paused=True))) as mailbox:
        told = send(engine, mailbox, connections=2, until_done=True)
        assert 49 <= told.counts["sent"] <= 49 + IN_FLIGHT
        assert told.counts["sent"] + told.counts["pending"] == 200
        change_issue(engine, paused=False)
        mailbox.behave(None)
        told = send(engine, mailbox)
    assert told.counts["sent"] == 200
    assert len(mailbox.messages) == 200


def test_told_to_stop_it_drains_without_an_unknown(engine: Engine) -> None:
    open_office(engine, 400)
    settings = config()

    async def stopped(mailbox: Mailbox) -> Delivered:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        mailbox.behave(after(100, lambda: loop.call_soon_threadsafe(stop.set)))
        return await deliver(engine, config(mailbox.relay()), LINKS, issue_id=12, stop=stop)

    enqueue_issue(engine, settings, 12, now())
    with box() as mailbox:
        told = asyncio.run(stopped(mailbox))
        assert 0 < told.counts["sent"] < 400
        assert told.counts["sent"] + told.counts["pending"] == 400
        mailbox.behave(None)
        send(engine, mailbox)
    assert len(mailbox.messages) == 400


def test_what_expires_before_its_next_try_fails(engine: Engine) -> None:
    open_office(engine, 3)
    with box(behaviour=greylist()) as mailbox:
        send(engine, mailbox, expire_h=1, retry_first_s=7200)
    row = rows(engine)[address(1)]
    assert (row.state, row.reason) == ("failed", "expired: greylisted, try again")


def test_what_was_never_tried_in_time_is_skipped(engine: Engine) -> None:
    open_office(engine, 3)
    with box() as mailbox:
        enqueue_issue(engine, config(), 12, now() - timedelta(hours=100))
        send(engine, mailbox)
    assert {(row.state, row.reason) for row in rows(engine).values()} == {("skipped", "expired")}
    assert mailbox.messages == []


def test_an_address_that_needs_smtputf8_is_sent_only_where_it_is_offered(engine: Engine) -> None:
    open_office(engine, ["\u7528\u6237@example.org", "ann@example.org"])
    with Mailbox(extensions=("8BITMIME",)) as mailbox:
        told = send(engine, mailbox)
    row = rows(engine)["\u7528\u6237@example.org"]
    assert (told.counts["sent"], row.state, row.attempts) == (1, "failed", 0)
    assert row.reason
    assert "eai-unsupported" in row.reason
    assert mailbox.stages["rcpt"] == 1


def test_smtputf8_is_asked_for_only_when_needed(engine: Engine) -> None:
    open_office(engine, ["\u7528\u6237@example.org", "ann@example.org"])
    with Mailbox() as mailbox:
        send(engine, mailbox)
    assert {got.rcpt: got.smtputf8 for got in mailbox.messages} == {
        "\u7528\u6237@example.org": True,
        "ann@example.org": False,
    }


def test_a_message_larger_than_the_relay_takes_is_tried_on_nobody(engine: Engine) -> None:
    open_office(engine, 3)
    with Mailbox(extensions=("SIZE 500",)) as mailbox:
        send(engine, mailbox)
    assert mailbox.stages["rcpt"] == 0
    found = rows(engine).values()
    assert {(row.state, row.attempts) for row in found} == {("deferred", 0)}
    assert all("the relay takes 500" in row.reason for row in found)


def test_two_senders_at_once_send_each_mail_once(engine: Engine) -> None:
    open_office(engine, 1500)
    settings = config()
    enqueue_issue(engine, settings, 12, now())
    with box() as mailbox:
        threads = [threading.Thread(target=send, args=(engine, mailbox), kwargs={"until_done": True}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(mailbox.messages) == 1500
    assert len({got.rcpt for got in mailbox.messages}) == 1500
    assert issue_state(engine) == IssueState.SENT


def test_connections_are_renewed_after_their_share(engine: Engine) -> None:
    open_office(engine, 20)
    with box() as mailbox:
        send(engine, mailbox, connections=1, messages_per_connection=5)
    assert mailbox.stages["connect"] == 4


def test_only_a_frozen_issue_with_a_postal_address_is_enqueued(engine: Engine) -> None:
    open_office(engine, 1)
    bare = config()
    with pytest.raises(NeedsDecision, match="postal_address"):
        enqueue_issue(engine, type(bare)(site=type(bare.site)("a", "https://a.example"), mail=bare.mail), 12, now())
    change_issue(engine, state=IssueState.DRAFT)
    with pytest.raises(IllegalMove):
        enqueue_issue(engine, bare, 12, now())


def test_the_ledger_answers_who_got_it(engine: Engine) -> None:
    open_office(engine, 2)
    with box(behaviour=refuse({address(2): "550 5.1.1 nobody"})) as mailbox:
        send(engine, mailbox)
    with db.reading(engine) as session:
        first, second = (reporting.who(session, 12, address(n)) for n in (1, 2))
        stranger = reporting.who(session, 12, "eve@example.org")
    assert first
    assert second
    assert (first.state, first.relay, first.code) == ("sent", "box", 250)
    assert first.message_id == mailbox.to(address(1))[0].header("Message-ID")
    assert (second.state, second.code, second.reason) == ("failed", 550, "nobody")
    assert stranger is None


def test_a_relay_that_goes_away_in_mid_send_is_not_stormed(engine: Engine) -> None:
    open_office(engine, 40)
    taken = 0

    def leaving(stage: str, envelope: Envelope) -> str | None:
        nonlocal taken
        taken += stage == "dot"
        return DROP if taken >= 10 and stage in ("connect", "rset") else None

    with box(behaviour=leaving, extensions=SPEECHES["plain"]) as mailbox:
        with pytest.raises(RelayUnavailable, match="nothing is lost"):
            send(engine, mailbox, connections=2)
        assert mailbox.stages["connect"] < 20
        mailbox.behave(None)
        assert send(engine, mailbox).counts["sent"] == 40
    assert len(mailbox.messages) == 40


def test_a_clock_that_jumps_hours_ahead_takes_nothing_from_the_living(engine: Engine) -> None:
    open_office(engine, 40)
    with box() as mailbox:

        def jumping() -> datetime:
            return now() + timedelta(hours=6 if len(mailbox.messages) > 10 else 0)

        told = send(engine, mailbox, connections=1, clock=jumping)
    assert told.counts["sent"] == 40
    assert len(mailbox.messages) == 40


def test_a_database_locked_in_mid_send_doubles_nobody(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("one writer at a time is SQLite's")
    monkeypatch.setattr(db, "BUSY_MS", 100)
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    open_office(engine, 20)
    other = sqlite3.connect(db.sqlite_file(database_url) or "", isolation_level=None, check_same_thread=False)
    ending = threading.Timer(1, lambda: other.execute("COMMIT"))

    def locking(stage: str, envelope: Envelope) -> None:
        if stage == "dot" and not ending.is_alive() and not ending.finished.is_set():
            other.execute("BEGIN IMMEDIATE")
            ending.start()

    with box(behaviour=locking) as mailbox:
        told = send(engine, mailbox, connections=3)
    assert (told.counts["sent"], len(mailbox.messages)) == (20, 20)
    other.close()
    engine.dispose()


def test_told_to_stop_it_does_not_wait_for_a_relay_that_is_silent(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "GRACE_S", 0.2)
    open_office(engine, 20)

    async def stopped(mailbox: Mailbox) -> Delivered:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        async def silent(stage: str, envelope: Envelope) -> str | None:
            if stage == "dot":
                loop.call_soon_threadsafe(stop.set)
                await asyncio.Event().wait()
            return None

        mailbox.behave(silent)
        settings = config(mailbox.relay(connections=2), unknown="hold")
        enqueue_issue(engine, settings, 12, now())
        return await deliver(engine, settings, LINKS, issue_id=12, stop=stop)

    with box() as mailbox:
        first = asyncio.run(asyncio.wait_for(stopped(mailbox), 8))
        assert first.counts["sent"] == 0
        assert first.counts["pending"] + first.counts["held"] == 20
        assert "quit" not in mailbox.stages
        mailbox.behave(None)
        told = send(engine, mailbox, unknown="hold")
    assert (told.counts["sent"], told.counts["held"]) == (first.counts["pending"], first.counts["held"])
