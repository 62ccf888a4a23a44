"""The talk as a state machine: what is written when, and whose reply is whose, without a socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.deliver.dialogue import Dialogue, Event, Fault, Speech, Stage, Transaction, best_speech
from digest.deliver.replies import Accepted, Deferred, NotAReply, Refused, Replies, Reply, Unknown

BODY = b"Subject: a\r\n\r\n.dot\r\n"


def message(number: int) -> Transaction:
    return Transaction(f"bounce{number}@review.example", f"reader{number}@example.org", "", BODY, leave=True)


def said(code: int) -> Reply:
    return Reply(code, None, "")


def outputs(dialogue: Dialogue) -> bytes:
    return b"".join(dialogue.output())


def envelope(number: int) -> bytes:
    return b"RSET\r\nMAIL FROM:<bounce%d@review.example>\r\nRCPT TO:<reader%d@example.org>\r\n" % (number, number)


def test_the_best_way_of_speaking_is_taken() -> None:
    assert best_speech({"pipelining", "chunking"}) is Speech.CHUNKED
    assert best_speech({"pipelining"}) is Speech.PIPELINED
    assert best_speech({"chunking"}) is Speech.PLAIN
    assert best_speech({}) is Speech.PLAIN


def test_chunked_messages_are_written_whole_one_after_the_other() -> None:
    dialogue = Dialogue(Speech.CHUNKED)
    for number in (1, 2):
        dialogue.begin(message(number))
        assert outputs(dialogue) == envelope(number) + b"BDAT 20 LAST\r\n" + BODY


def test_a_pipelined_body_travels_with_the_next_envelope() -> None:
    dialogue = Dialogue(Speech.PIPELINED)
    dialogue.begin(message(1))
    dialogue.begin(message(2))
    assert outputs(dialogue) == envelope(1) + b"DATA\r\n"
    for code in (250, 250, 250):
        dialogue.heard(said(code))
        assert outputs(dialogue) == b""
    dialogue.heard(said(354))
    assert outputs(dialogue) == b"Subject: a\r\n\r\n..dot\r\n.\r\n" + envelope(2) + b"DATA\r\n"


def test_a_late_message_follows_a_body_that_is_under_way() -> None:
    dialogue = Dialogue(Speech.PIPELINED)
    dialogue.begin(message(1))
    for code in (250, 250, 250, 354):
        dialogue.heard(said(code))
    outputs(dialogue)
    dialogue.begin(message(2))
    assert outputs(dialogue) == envelope(2) + b"DATA\r\n"


def test_plain_is_one_command_at_a_time() -> None:
    dialogue = Dialogue(Speech.PLAIN)
    dialogue.begin(message(1))
    written = [outputs(dialogue)]
    for code in (250, 250, 250, 354):
        dialogue.heard(said(code))
        written.append(outputs(dialogue))
    assert written[0] == b"RSET\r\n"
    assert b"".join(written[:3]) == envelope(1)
    assert written[3:] == [b"DATA\r\n", b"Subject: a\r\n\r\n..dot\r\n.\r\n"]


def test_354_after_a_refused_recipient_is_answered_by_the_dot_alone() -> None:
    dialogue = Dialogue(Speech.PIPELINED)
    dialogue.begin(message(1))
    dialogue.begin(message(2))
    for code in (250, 250, 550, 354):
        dialogue.heard(said(code))
    assert outputs(dialogue) == envelope(1) + b"DATA\r\n" + b".\r\n" + envelope(2) + b"DATA\r\n"
    dialogue.heard(said(554))
    [(one, result)] = dialogue.events()
    assert (one.rcpt, result) == ("reader1@example.org", Refused(said(550)))


def test_354_after_a_refused_sender_ends_the_talk() -> None:
    dialogue = Dialogue(Speech.PIPELINED)
    dialogue.begin(message(1))
    for code in (250, 450, 250, 354):
        dialogue.heard(said(code))
    assert outputs(dialogue) == envelope(1) + b"DATA\r\n"
    assert dialogue.ended
    assert isinstance(dialogue.events()[0][1], Fault)


def test_a_reply_to_nothing_ends_the_talk() -> None:
    dialogue = Dialogue(Speech.CHUNKED)
    dialogue.heard(said(250))
    assert dialogue.ended
    dialogue.begin(message(1))
    assert outputs(dialogue) == b""
    assert isinstance(dialogue.events()[0][1], Fault)


# One message, chunked: replies to RSET, MAIL, RCPT, BDAT (then the connection ends), and what came of it.
CHUNKED = [
    ((250, 250, 250, 250), Accepted),
    ((250, 250, 250, 452), Deferred),
    ((250, 250, 250, 554), Refused),
    ((250, 250, 550, 503), Refused),
    ((250, 250, 450, 503), Deferred),
    ((250, 250, 550, 250), Refused),  # nobody to deliver it to
    ((250, 451, 503, 503), Fault),
    ((250, 451, 250, 250), Accepted),  # taken in spite of itself
    ((451, 250, 250, 250), Accepted),
    ((451, 250, 250, 554), Fault),
    ((451, 503, 250, 250), Accepted),
    ((250, 250, 250, 354), Unknown),
    ((250, 250, 250), Unknown),
    ((250, 250), Unknown),
    ((), Unknown),
    ((250, 250, 550), Refused),
    ((250, 451), Fault),
    ((451, 503), Unknown),  # a transaction left open may have been filled
    ((421,), Fault),
    ((250, 421), Fault),
    ((250, 250, 421), Deferred),
    ((250, 250, 250, 421), Deferred),
]


@pytest.mark.parametrize(("codes", "result"), CHUNKED)
def test_chunked_replies_decide_together(codes: tuple[int, ...], result: type) -> None:
    dialogue = Dialogue(Speech.CHUNKED)
    dialogue.begin(message(1))
    for code in codes:
        dialogue.heard(said(code))
    dialogue.lost("gone")
    [(_, came)] = dialogue.events()
    assert isinstance(came, result)


def test_behind_421_nothing_was_taken_and_a_close_without_reply_leaves_it_open() -> None:
    for codes, result in (((250, 250, 250, 421), Fault), ((250, 250, 250, 250), Unknown)):
        dialogue = Dialogue(Speech.CHUNKED)
        for number in (1, 2, 3):
            dialogue.begin(message(number))
        for code in codes:
            dialogue.heard(said(code))
        dialogue.lost("gone")
        assert [type(came) for _, came in dialogue.events()][1:] == [result, result]


def test_what_a_server_answers_after_its_421_still_counts() -> None:
    dialogue = Dialogue(Speech.CHUNKED)
    dialogue.begin(message(1))
    dialogue.begin(message(2))
    for code in (250, 250, 250, 421, 250, 250, 250, 250):
        dialogue.heard(said(code))
    assert [type(came) for _, came in dialogue.events()] == [Deferred, Accepted]
    assert dialogue.ended == "the server said goodbye"


@dataclass
class Server:
    """An honest server, in memory: it answers each command, by `replies` where they say so, and keeps what it took.

    A MAIL inside a transaction is refused and the old sender stays, as Postfix and Exim do (T7).
    """

    replies: dict[tuple[str, Stage], int]
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    mail: str = ""
    rcpt: str = ""
    rest: bytes = b""
    in_data: bool = False

    def hear(self, data: bytes) -> list[int]:
        self.rest += data
        codes = []
        while (code := self.one()) is not None:
            codes.append(code)
        return codes

    def one(self) -> int | None:
        if self.in_data:
            body, found, rest = (b"\r\n" + self.rest).partition(b"\r\n.\r\n")
            if not found:
                return None
            self.in_data, self.rest = False, rest
            return self.end((body[2:] + b"\r\n").replace(b"\r\n..", b"\r\n.") if body else b"")
        line, found, rest = self.rest.partition(b"\r\n")
        verb, argument = line[:4].decode(), line.partition(b"<")[2].partition(b">")[0].decode()
        if not found:
            return None
        if verb == "BDAT":
            octets = int(line.split()[1])
            if len(rest) < octets:
                return None
            self.rest = rest[octets:]
            return self.end(rest[:octets])
        self.rest = rest
        match verb:
            case "RSET":
                self.mail = self.rcpt = ""
                return 250
            case "MAIL":
                if self.mail:
                    return 503
                return self.answer(Stage.MAIL, argument)
            case "RCPT":
                return self.answer(Stage.RCPT, argument) if self.mail else 503
            case _:
                code = self.replies.get((number(self.mail), Stage.DATA), 354) if self.rcpt else 554
                self.in_data = code == 354
                return code

    def answer(self, stage: Stage, argument: str) -> int:
        code = self.replies.get((number(argument), stage), 250)
        if code == 250 and stage is Stage.MAIL:
            self.mail = argument
        elif code == 250:
            self.rcpt = argument
        return code

    def end(self, body: bytes) -> int:
        if not self.rcpt:
            return 503
        code = self.replies.get((number(self.mail), Stage.END), 250)
        if code == 250:
            self.taken.append((self.mail, self.rcpt, body))
        self.mail = self.rcpt = ""
        return code


def number(address: str) -> str:
    return "".join(char for char in address.partition("@")[0] if char.isdigit())


def carry(speech: Speech, server: Server, count: int) -> dict[str, Event]:
    dialogue = Dialogue(speech)
    for n in range(count):
        dialogue.begin(message(n))
    results: dict[str, Event] = {}
    while written := outputs(dialogue):
        for code in server.hear(written):
            dialogue.heard(said(code))
        results |= {number(one.rcpt): came for one, came in dialogue.events()}
    return results


PLACES = [
    (speech, place, stage, code)
    for speech, place, stage, code in product(
        Speech, range(5), (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END), (450, 550)
    )
    if not (speech is Speech.CHUNKED and stage is Stage.DATA)
]


@pytest.mark.parametrize(("speech", "place", "stage", "code"), PLACES)
def test_a_refusal_at_any_place_of_the_window_moves_no_mail_under_another_sender(
    speech: Speech, place: int, stage: Stage, code: int
) -> None:
    server = Server({(str(place), stage): code})
    results = carry(speech, server, 5)
    others = [n for n in range(5) if n != place]
    assert server.taken == [(f"bounce{n}@review.example", f"reader{n}@example.org", BODY) for n in others]
    refused = Fault if stage is Stage.MAIL else Refused if code == 550 else Deferred
    assert isinstance(results.pop(str(place)), refused)
    assert {n: type(came) for n, came in results.items()} == {str(n): Accepted for n in others}


STAGES = st.sampled_from([Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END])


@given(
    st.sampled_from(Speech),
    st.dictionaries(st.tuples(st.sampled_from("01234567"), STAGES), st.sampled_from([450, 550, 554])),
)
def test_whatever_is_refused_what_is_told_is_what_was_taken(
    speech: Speech, replies: dict[tuple[str, Stage], int]
) -> None:
    server = Server(replies)
    results = carry(speech, server, 8)
    assert {n for n, came in results.items() if isinstance(came, Accepted)} == {number(r) for _, r, _ in server.taken}
    assert all(number(mail) == number(rcpt) for mail, rcpt, _ in server.taken)
    assert len(results) == 8
    assert not any(isinstance(came, Unknown) for came in results.values())


STREAM = b"250-2.0.0 one\r\n250 2.0.0 more\r\n354 go on\r\n250\r\n550-5.1.1 no\n550 5.1.1 such user\r\n"


@given(st.lists(st.integers(0, len(STREAM))))
def test_replies_cut_anywhere_are_the_same(cuts: list[int]) -> None:
    marks = [0, *sorted(cuts), len(STREAM)]
    reading = Replies()
    found = [reply for a, b in pairwise(marks) for reply in reading.feed(STREAM[a:b])]
    assert [(reply.code, reply.enhanced) for reply in found] == [
        (250, "2.0.0"),
        (354, None),
        (250, None),
        (550, "5.1.1"),
    ]


@given(st.binary(max_size=300))
def test_bytes_that_are_no_reply_are_told_or_waited_for(data: bytes) -> None:
    try:
        found = list(Replies().feed(data))
    except NotAReply:
        return
    assert len(found) <= data.count(b"\n")


def test_a_reply_without_end_is_not_waited_for() -> None:
    for piece in (b"2" * 1000, b"250-and on\r\n"):
        reading = Replies()
        with pytest.raises(NotAReply, match="no end"):
            for _ in range(10_000):
                list(reading.feed(piece))


@given(st.sampled_from(Speech), st.lists(st.sampled_from([250, 354, 421, 450, 550, 299, 554]), max_size=30))
def test_a_lying_server_gets_one_result_for_each_message(speech: Speech, codes: list[int]) -> None:
    dialogue = Dialogue(speech)
    for n in range(4):
        dialogue.begin(message(n))
    outputs(dialogue)
    for code in codes:
        dialogue.heard(said(code))
        outputs(dialogue)
    dialogue.lost("gone")
    assert len(dialogue.events()) == 4
