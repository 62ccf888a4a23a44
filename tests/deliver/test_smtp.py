"""One connection against servers that misbehave: whom it trusts, what it makes of replies."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from mailbox import DROP, SPEECHES, Envelope, Mailbox

import pytest
import trustme
from post import good

from digest.config import RelayConfig
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Unknown, parse_reply
from digest.deliver.smtp import Timeouts, Trouble, connect

SHORT = Timeouts(greeting=1, command=0.3, data=0.3, block=0.3, end=0.3)


def once(relay: RelayConfig, raw: bytes | None = None) -> Outcome:
    async def talk() -> Outcome:
        connection = await connect(relay, "client.example", SHORT)
        try:
            return await connection.send("news@review.example", "ann@example.org", raw or good())
        finally:
            await connection.close()

    return asyncio.run(talk())


REPLIES = [
    ([b"250 ok"], (250, None, "ok")),
    ([b"250"], (250, None, "")),
    ([b"250-2.0.0 a", b"250 2.0.0 b"], (250, "2.0.0", "a 2.0.0 b")),
    ([b"550 5.1.1 no such user"], (550, "5.1.1", "no such user")),
    ([b"550 4.2.2 odd class"], (550, None, "4.2.2 odd class")),
    ([b"471 what"], (471, None, "what")),
    ([b"554 a\x00\x1b[31mb"], (554, None, "a [31mb")),
    ([b"550 " + b"x" * 900], (550, None, "x" * 500)),
]


@pytest.mark.parametrize(("lines", "parts"), REPLIES)
def test_replies_are_read(lines: list[bytes], parts: tuple[int, str | None, str]) -> None:
    reply = parse_reply(lines)
    assert (reply.code, reply.enhanced, reply.text) == parts


@pytest.mark.parametrize("lines", [[b"hello"], [b"25"], [b"250x"], [b"250-a", b"550 b"], [b"999 a"], [b""]])
def test_what_is_no_reply_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match="not an SMTP reply"):
        parse_reply(lines)


def answering(stage: str, said: str) -> Callable[[str, Envelope], str | None]:
    return lambda at, envelope: said if at == stage else None


OUTCOMES = [
    ("rcpt", "250 ok", Accepted),
    ("rcpt", "299 ok", Accepted),
    ("rcpt", "451 later", Deferred),
    ("rcpt", "471 later", Deferred),
    ("rcpt", "421 bye", Deferred),
    ("rcpt", "552 too many recipients", Deferred),
    ("rcpt", "550 no", Refused),
    ("rcpt", "571 no", Refused),
    ("rcpt", "354 what", Deferred),
    ("dot", "299 ok", Accepted),
    ("dot", "452 full", Deferred),
    ("dot", "421 bye", Deferred),
    ("dot", "554 no", Refused),
    ("dot", "354 again", Unknown),
    ("dot", DROP, Unknown),
    ("dot", "nonsense", Unknown),
    ("dot", "250-ok\r\n550 mixed", Unknown),
]
OF_DATA = [
    ("rcpt", DROP, Deferred),
    ("rcpt", "250-ok\r\n550 mixed", Deferred),
    ("data", "250 what", Deferred),
    ("data", "451 later", Deferred),
    ("data", "554 no", Refused),
    ("data", DROP, Deferred),
]
# The body is on its way with its commands: only a reply tells whether it was taken.
OF_CHUNKS = [("rcpt", DROP, Unknown), ("rcpt", "250-ok\r\n550 mixed", Unknown), ("mail", DROP, Unknown)]
ALL_OUTCOMES = [
    *((speech, *row) for speech in SPEECHES for row in OUTCOMES),
    *((speech, *row) for speech in ("pipelined", "plain") for row in OF_DATA),
    *(("chunked", *row) for row in OF_CHUNKS),
]


@pytest.mark.parametrize(
    ("speech", "stage", "said", "outcome"), ALL_OUTCOMES, ids=[f"{w} {s} {r!r}" for w, s, r, _ in ALL_OUTCOMES]
)
def test_the_stage_and_first_digit_decide(speech: str, stage: str, said: str, outcome: type) -> None:
    with Mailbox(answering(stage, said), SPEECHES[speech]) as box:
        assert isinstance(once(box.relay()), outcome)


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("stage", ["connect", "ehlo", "rset", "mail"])
@pytest.mark.parametrize("said", ["421 bye", "554 no", "451 later", DROP])
def test_before_the_recipient_it_is_nobodys_fault(speech: str, stage: str, said: str) -> None:
    if speech == "chunked" and stage == "rset" and said != "421 bye":
        return  # the mail itself may have been taken: the next test
    if speech == "chunked" and said == DROP and stage == "mail":
        return  # unknown, above
    with Mailbox(answering(stage, said), SPEECHES[speech]) as box, pytest.raises(Trouble):
        once(box.relay())


def test_a_refusal_at_the_banner_is_told_as_it_was_said() -> None:
    with (
        Mailbox(answering("connect", "554 5.7.1 go away")) as box,
        pytest.raises(Trouble, match=r": 554 5\.7\.1 go away$"),
    ):
        once(box.relay())


@pytest.mark.parametrize("said", ["554 no", "451 later"])
def test_a_mail_taken_in_spite_of_a_refused_reset_is_taken(said: str) -> None:
    with Mailbox(answering("rset", said)) as box:
        assert isinstance(once(box.relay()), Accepted)
    assert len(box.messages) == 1


SILENCES = [
    ("chunked", "rcpt", Unknown),
    ("chunked", "dot", Unknown),
    ("pipelined", "rcpt", Deferred),
    ("pipelined", "data", Deferred),
    ("pipelined", "dot", Unknown),
    ("plain", "rcpt", Deferred),
    ("plain", "data", Deferred),
    ("plain", "dot", Unknown),
]


@pytest.mark.parametrize(("speech", "stage", "outcome"), SILENCES)
def test_silence_ends_with_its_stage(speech: str, stage: str, outcome: type) -> None:
    async def silent(at: str, envelope: Envelope) -> str | None:
        if at == stage:
            await asyncio.sleep(60)
        return None

    with Mailbox(silent, SPEECHES[speech]) as box:
        assert isinstance(once(box.relay()), outcome)


def test_a_line_nobody_asked_for_ends_the_connection() -> None:
    with Mailbox(answering("dot", "250 ok\r\n250 and more"), SPEECHES["plain"]) as box:

        async def talk() -> None:
            connection = await connect(box.relay(), "client.example", SHORT)
            assert isinstance(await connection.send("a@b.example", "ann@example.org", good()), Accepted)
            await asyncio.sleep(0)
            with pytest.raises(Trouble):
                await connection.send("a@b.example", "ann@example.org", good())
            assert not connection.usable

        asyncio.run(talk())
    assert box.stages["rcpt"] == 1


@pytest.mark.parametrize("speech", SPEECHES)
def test_dots_and_line_ends_arrive_as_they_were(speech: str) -> None:
    raw = good() + b".\r\n..\r\n.a\r\n\r\n.\r\n"
    with Mailbox(extensions=SPEECHES[speech], judge=False) as box:
        once(box.relay(), raw)
        once(box.relay(), b".first\r\n")
    assert [got.raw for got in box.messages] == [raw, b".first\r\n"]


def test_a_log_in_without_tls_is_not_sent() -> None:
    with Mailbox() as box, pytest.raises(Trouble, match="no TLS"):
        once(box.relay(username="u", password="secret word"))
    assert box.stages["connect"] == 0


def test_starttls_is_required_not_hoped_for() -> None:
    with Mailbox() as box, pytest.raises(Trouble):
        once(box.relay(security="starttls"))
    assert box.stages["mail"] == 0


@pytest.mark.parametrize(
    ("name", "trusted", "good_name"),
    [("localhost", True, True), ("other.example", True, False), ("localhost", False, True)],
)
def test_tls_is_verified_by_chain_and_name(name: str, trusted: bool, good_name: bool) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(name).configure_cert(server)
    if trusted:
        authority.configure_trust(client)

    async def talk() -> Outcome:
        from mailbox import _Recorder

        recorder = _Recorder(lambda got: None, None)
        listening = await asyncio.start_server(recorder._talk, "127.0.0.1", 0, ssl=server)
        port = listening.sockets[0].getsockname()[1]
        try:
            relay = RelayConfig(name="tls", host="localhost", port=port, security="tls")
            connection = await connect(relay, "client.example", SHORT, client)
            outcome = await connection.send("a@b.example", "ann@example.org", good())
            await connection.close()
            return outcome
        finally:
            listening.close()

    if trusted and good_name:
        assert isinstance(asyncio.run(talk()), Accepted)
    else:
        with pytest.raises(Trouble):
            asyncio.run(talk())
