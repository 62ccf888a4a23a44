"""Several messages in flight on one connection, against a real server that refuses, mumbles and hangs up."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from mailbox import DROP, SPEECHES, Behaviour, Envelope, Mailbox

import pytest
import trustme
from post import prepared, reader
from talking import Clerk, hand_over, handed_over

from digest.config import RelayConfig
from digest.deliver.ledger import Work
from digest.deliver.message import build
from digest.deliver.replies import Accepted, Deferred, Outcome, Refused, Unknown
from digest.deliver.smtp import Timeouts, Trouble, connect
from digest.deliver.talk import Written

SHORT = Timeouts(greeting=5, command=5, data=5, block=5, end=5)
COUNT = 6


def address(number: int) -> str:
    return f"reader{number}@example.org"


def sender(number: int) -> str:
    return f"bounce{number}@review.example"


def written(count: int = COUNT) -> list[Written]:
    return [Written(sender(n), address(n), build(prepared(), reader(address(n)))) for n in range(count)]


def window(relay: RelayConfig, count: int = COUNT, bodies: list[bytes] | None = None) -> list[Outcome | Trouble | None]:
    """What became of so many messages given to one connection at once."""
    messages = written(count)
    if bodies:
        messages = [one._replace(raw=body) for one, body in zip(messages, bodies, strict=True)]
    return handed_over(relay, SHORT, messages)


def at(stage: str, number: int, said: str) -> Behaviour:
    def answer(now: str, envelope: Envelope) -> str | None:
        mine = envelope.mail == sender(number) if now in ("mail", "data", "dot") else envelope.rcpt == address(number)
        return said if now == stage and mine else None

    return answer


def own(box: Mailbox) -> list[str]:
    """Who got mail; each under its own reader's sender."""
    assert all(
        got.mail == got.rcpt.replace("reader", "bounce").replace("example.org", "review.example")
        for got in box.messages
    )
    return [got.rcpt for got in box.messages]


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("utterance", ["whole", "cut", "merged"])
def test_all_arrive_in_order_under_their_own_senders(speech: str, utterance: str) -> None:
    with Mailbox(extensions=SPEECHES[speech], utterance=utterance) as box:
        outcomes = window(box.relay())
    assert {type(came) for came in outcomes} == {Accepted}
    assert own(box) == [address(n) for n in range(COUNT)]


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("place", [0, 2, COUNT - 1])
@pytest.mark.parametrize("said", ["451 4.3.0 later", "550 5.1.1 no"])
def test_a_refusal_in_the_window_is_that_message_s_alone(speech: str, stage: str, place: int, said: str) -> None:
    if speech == "chunked" and stage == "data":
        return
    with Mailbox(at(stage, place, said), SPEECHES[speech], utterance="cut") as box:
        outcomes = window(box.relay(window=COUNT))
    expected = Trouble if stage == "mail" else Deferred if said.startswith("4") else Refused
    assert isinstance(outcomes.pop(place), expected)
    assert {type(came) for came in outcomes} == {Accepted}
    assert own(box) == [address(n) for n in range(COUNT) if n != place]


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("place", [0, 3])
def test_behind_421_in_the_window_nothing_was_taken(speech: str, stage: str, place: int) -> None:
    if speech == "chunked" and stage == "data":
        return
    with Mailbox(at(stage, place, "421 4.3.2 bye"), SPEECHES[speech]) as box:
        outcomes = window(box.relay(), 4)
    assert [type(came) for came in outcomes[:place]] == [Accepted] * place
    assert isinstance(outcomes[place], Trouble if stage == "mail" else Deferred)
    assert all(isinstance(came, Trouble) for came in outcomes[place + 1 :])
    assert own(box) == [address(n) for n in range(place)]


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
def test_who_was_mailed_is_never_told_otherwise_when_the_server_hangs_up(speech: str, stage: str) -> None:
    with Mailbox(at(stage, 2, DROP), SPEECHES[speech]) as box:
        outcomes = window(box.relay())
    mailed = set(own(box))
    for number, came in enumerate(outcomes):
        if address(number) in mailed:
            assert isinstance(came, Accepted | Unknown)
        else:
            assert not isinstance(came, Accepted)
    if speech != "chunked":  # one body is on its way at most
        assert sum(isinstance(came, Unknown) for came in outcomes) <= 1


class Stunned(Clerk):
    """Gives leave for all but the first message only when the server has hung up: the loop reads nothing till then."""

    hung_up = threading.Event()

    def ask(self, work: Work, relay: str, then: Callable[[bool], None]) -> None:
        loop = asyncio.get_running_loop()
        if work.id == 0:
            loop.call_soon(then, True)
        else:
            loop.call_soon(loop.call_soon, lambda: then(self.hung_up.wait(10)))


def speak_and_hang_up(listening: socket.socket, words: bytes, hung_up: threading.Event) -> None:
    """A server that reads one envelope and no body, says `words`, and closes with a reset."""
    server, _ = listening.accept()
    with server:
        server.sendall(b"220 mx.example\r\n")
        server.recv(999)
        server.sendall(b"250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        server.recv(999)
        server.sendall(words)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    hung_up.set()


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_the_last_words_before_a_hang_up_are_heard(name: str) -> None:
    loops = pytest.importorskip(name)
    words = b"250 2.0.0 ok\r\n" * 3 + b"250 2.0.0 queued\r\n421 4.7.0 enough\r\n"

    async def talk(port: int) -> list[Outcome | Trouble | None]:
        relay = RelayConfig(name="mx", host="127.0.0.1", port=port, security="none")
        connection = await connect(relay, "client.example", SHORT)
        came = await hand_over(connection, Stunned(written(4)))
        await connection.close()
        return came

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=speak_and_hang_up, args=(listening, words, Stunned.hung_up))
        Stunned.hung_up.clear()
        server.start()
        with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
            came = runner.run(talk(listening.getsockname()[1]))
        server.join()
    assert [type(one) for one in came] == [Accepted, Trouble, Trouble, Trouble]


SIZES = [0, 1, 2, 2**16 - 1, 2**16, 2**16 + 1, 300_000]


@pytest.mark.parametrize("speech", SPEECHES)
def test_bodies_of_any_size_arrive_to_the_octet(speech: str) -> None:
    line = b"a.\r\n.\r\n..b\r\n"
    bodies = [(line * (size // len(line) + 1))[: size - 2 if size > 1 else 0] + b"\r\n" * (size > 1) for size in SIZES]
    if speech != "chunked":  # DATA carries whole lines
        bodies = [body.rstrip(b"\r\n") + b"\r\n" for body in bodies]
    elif SIZES[1]:
        bodies[1] = b"x"
    with Mailbox(extensions=SPEECHES[speech], judge=False) as box:
        outcomes = window(box.relay(), len(bodies), bodies)
    assert {type(came) for came in outcomes} == {Accepted}
    assert [got.raw for got in box.messages] == bodies


@pytest.mark.parametrize(("speech", "most"), [("chunked", 3), ("pipelined", 1), ("plain", 1)])
def test_no_more_are_handed_than_the_window_takes(speech: str, most: int) -> None:
    async def talk(relay: RelayConfig) -> Clerk:
        connection = await connect(relay, "client.example", SHORT)
        clerk = Clerk(written(12))
        await hand_over(connection, clerk)
        await connection.close()
        return clerk

    with Mailbox(extensions=SPEECHES[speech]) as box:
        clerk = asyncio.run(talk(box.relay(window=3)))
    assert clerk.highest == most
    assert len(box.messages) == 12


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize("kept_back", [{0}, {2}, {COUNT - 1}, {0, 1, 2, 3, 4, 5}], ids=str)
def test_of_a_withdrawn_message_nothing_is_taken(speech: str, kept_back: set[int]) -> None:
    with Mailbox(extensions=SPEECHES[speech]) as box:
        came = handed_over(box.relay(), SHORT, written(), lambda number: number not in kept_back)
    assert own(box) == [address(n) for n, what in enumerate(came) if isinstance(what, Accepted)]
    assert [n for n, what in enumerate(came) if what is None][:1] == [min(kept_back)]
    if speech != "pipelined":  # there the connection ends with it
        assert [n for n, what in enumerate(came) if what is None] == sorted(kept_back)
        assert len(box.messages) == COUNT - len(kept_back)


@pytest.mark.parametrize("line", [b"250 ok\r\n", b"421 4.4.2 idle\r\n", b"garbage\r\n"])
@pytest.mark.parametrize("speech", SPEECHES)
def test_a_line_between_transactions_is_paired_with_nothing(speech: str, line: bytes) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def talk(box: Mailbox) -> None:
        connection = await connect(box.relay(), "client.example", SHORT)
        message = build(prepared(), reader(address(0)))
        assert isinstance(await connection.send(sender(0), address(0), message), Accepted)
        box._loop.call_soon_threadsafe(writers[0].write, line)
        async with asyncio.timeout(5):
            while connection.usable:
                await asyncio.sleep(0.01)
        with pytest.raises(Trouble):
            await connection.send(sender(1), address(1), build(prepared(), reader(address(1))))
        await connection.close()

    with Mailbox(extensions=SPEECHES[speech]) as box:
        utter = box._recorder.utter

        async def noting(writer: asyncio.StreamWriter, reply: bytes) -> None:
            writers.append(writer)
            await utter(writer, reply)

        box._recorder.utter = noting  # type: ignore[method-assign]
        asyncio.run(talk(box))
    assert own(box) == [address(0)]


def starttls_server(context: ssl.SSLContext, heard: list[bytes]) -> Callable[..., Awaitable[None]]:
    async def serve(lines: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 mx.example\r\n")
            await lines.readline()
            writer.write(b"250-mx.example\r\n250-EVIL\r\n250 STARTTLS\r\n")
            await lines.readline()
            writer.write(b"220 go\r\n250-mx.example\r\n250 CHUNKING\r\n")
            await writer.start_tls(context)
            while line := await lines.readline():
                heard.append(line)
                writer.write(b"250 mx.example\r\n" if line.startswith(b"EHLO") else b"554 no\r\n")
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    return serve


def test_what_was_said_before_tls_is_forgotten() -> None:
    authority, heard = trustme.CA(), []
    context, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(client)

    async def talk() -> None:
        server = await asyncio.start_server(starttls_server(context, heard), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        relay = RelayConfig(name="tls", host="localhost", port=port, security="starttls")
        try:
            connection = await connect(relay, "client.example", SHORT, client)
            assert not {"evil", "chunking", "starttls"} & set(connection._extensions)
            await connection.close()
        except Trouble:
            pass  # refused at once: as good
        finally:
            server.close()

    asyncio.run(talk())
    assert not any(line.startswith((b"MAIL", b"AUTH")) for line in heard)
