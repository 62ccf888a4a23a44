"""Mail to the address that unsubscribes: H-17, H-20, FEATURES 48."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from post import stationery
from sqlalchemy import Engine, select, text
from webhost import SUPPRESSION_KEY, add_list, add_reader, everything, status_of

from digest import db
from digest.blanks import Blank
from digest.deliver.lint import lint
from digest.deliver.message import Reader, build, message_id, prepare
from digest.feedback.inbox import LONGEST_HEAD, read
from digest.feedback.run import Received, receive
from digest.links import Links
from digest.models import Delivery, people, table
from subscribers.joining import SignUp, join
from subscribers.tokens import KeyRing

KEYS = KeyRing("the secret of this newsroom", ("the one before it",))
NUMBER = message_id(b"k" * 32, "issue:1", "1", "paper.example")
LEAVE = "leave@paper.example"
LINKS = Links("https://paper.example", KEYS, LEAVE)


def token(uri: str) -> str:
    return uri.rpartition("/")[2]


@pytest.fixture
def ann(engine: Engine, now: datetime) -> people.Subscriber:
    """A reader of two lists."""
    with db.writing(engine) as session:
        add_list(session, now)
        add_list(session, now, "daily")
        person = add_reader(session, now, "ann@example.org")
        session.add(people.Subscription(subscriber_id=person.id, list_id="daily", status="confirmed", created_at=now))
    return person


def mail(subject: str = "", to: str = "leave@paper.example", *more: str, body: str = "") -> bytes:
    head = [f"From: Somebody <somebody@else.example>\nTo: {to}\nSubject: {subject}", *more]
    return ("\n".join(head) + f"\n\n{body}\n").encode()


def quoted(word: str) -> str:
    return word.replace("_", "=5F")


# Each takes a token and makes a message that means it.
WISHES: dict[str, Callable[[str], bytes]] = {
    "as our header writes it": lambda word: mail(f"unsubscribe {word}"),
    "the token alone": mail,
    "answered by hand": lambda word: mail(f"Re: unsubscribe {word}"),
    "folded": lambda word: mail(f"unsubscribe\n {word}"),
    "in encoded words": lambda word: mail(
        f"=?utf-8?q?unsubscribe_{quoted(word[:20])}?=\n =?utf-8?q?{quoted(word[20:])}?="
    ),
    "in the recipient": lambda word: mail("", f"<leave+{word}@paper.example>"),
    "in Delivered-To": lambda word: mail("", "undisclosed:;", f"Delivered-To: leave+{word}@paper.example"),
    "made by a provider": lambda word: mail(f"unsubscribe {word}", LEAVE, "Auto-Submitted: auto-generated"),
    "with lines as on the wire": lambda word: mail(f"unsubscribe {word}").replace(b"\n", b"\r\n"),
    "with a body of megabytes": lambda word: mail(f"unsubscribe {word}", body="x" * 3_000_000),
    "with a From line of an mbox": lambda word: b"From MAILER Fri Nov 20 2026\n" + mail(f"unsubscribe {word}"),
}


def test_a_mail_with_the_token_leaves_that_list_alone(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
        add_list(session, now, "daily")
        readers = [add_reader(session, now, f"reader{number}@example.org") for number in range(len(WISHES))]
        session.add_all(
            people.Subscription(subscriber_id=one.id, list_id="daily", status="confirmed", created_at=now)
            for one in readers
        )
    for reader, (wish, written) in zip(readers, WISHES.items(), strict=True):
        message = written(token(LINKS.unsubscribe(reader.handle, "weekly")))
        assert receive(engine, LINKS, message, now) is Received.UNSUBSCRIBED, wish
        standing = [status_of(engine, reader.email, one) for one in ("weekly", "daily")]
        assert standing == ["unsubscribed", "confirmed"], wish
        after = everything(engine)
        assert (after["consent"][-1][3], after["consent"][-1][4]) == ("unsubscribed", "mail")
        assert receive(engine, LINKS, message, now) is Received.UNSUBSCRIBED, wish
        assert everything(engine) == after


def test_a_token_of_an_older_key_works_for_ever(engine: Engine, ann: people.Subscriber, now: datetime) -> None:
    before = Links("https://paper.example", KeyRing(KEYS.old[0]))
    written = mail(f"unsubscribe {token(before.unsubscribe(ann.handle, 'weekly'))}")
    assert receive(engine, LINKS, written, now.replace(year=2031)) is Received.UNSUBSCRIBED


def test_the_header_of_a_mail_leads_to_the_mailbox(engine: Engine, ann: people.Subscriber, now: datetime) -> None:
    uri = LINKS.unsubscribe(ann.handle, "weekly")
    values = {**dict.fromkeys(Blank, uri), Blank.NAME: "Ann"}
    written = build(prepare(stationery()), Reader("ann@example.org", "Ann", NUMBER, uri, values, LINKS.by_mail(uri)))
    assert lint(written) == []
    parsed = message_from_bytes(written)
    https, mailto = (one.strip(" <>") for one in str(parsed["List-Unsubscribe"]).split(","))
    assert (https, parsed["List-Unsubscribe-Post"]) == (uri, "List-Unsubscribe=One-Click")
    to, _, query = mailto.removeprefix("mailto:").partition("?")
    answer = mail(parse_qs(query)["subject"][0], to)
    assert to == LEAVE
    assert receive(engine, LINKS, answer, now) is Received.UNSUBSCRIBED


def test_without_a_mailbox_there_is_the_link_alone() -> None:
    assert Links("https://paper.example", KEYS).by_mail("https://paper.example/unsubscribe/x") == ""


def test_an_answer_to_a_confirm_mail_declines(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
        wish = SignUp("bob@example.org", ("weekly",))
        sent = join(session, wish, key=SUPPRESSION_KEY, now=now, random_bytes=lambda size: b"r" * size).sends[0]
    uri = LINKS.decline(b"r" * 12, sent.confirmation_id)
    assert LINKS.by_mail(uri) == f"mailto:leave@paper.example?subject=unsubscribe%20{token(uri)}"
    assert receive(engine, LINKS, mail(f"unsubscribe {token(uri)}"), now) is Received.DECLINED
    assert status_of(engine, "bob@example.org") == "declined"


def nothing_of_ours(word: str, ann: people.Subscriber) -> dict[str, bytes]:
    """Mail that asks for nothing, or that we don't believe."""
    other = Links("https://paper.example", KeyRing("somebody else's secret"))
    tokens = {
        "forged": token(other.unsubscribe(ann.handle, "weekly")),
        "for confirming": token(LINKS.confirm(ann.handle, 1)),
        "for preferences": token(LINKS.preferences(ann.handle, "weekly")),
        "of nobody": token(LINKS.unsubscribe(b"x" * 12, "weekly")),
        "of a list that is not": token(LINKS.unsubscribe(ann.handle, "nosuch")),
        "cut": word[:-1],
        "flipped": word[:-1] + ("A" if word[-1] != "A" else "B"),
        "in small letters": word.lower(),
        "with more": word + "A",
        "none": "",
    }
    return {
        **{name: mail(f"unsubscribe {one}") for name, one in tokens.items()},
        "only in the body": mail("unsubscribe", body=f"unsubscribe {word}"),
        "in a header that nobody reads": mail("unsubscribe", "leave@paper.example", f"X-Token: {word}"),
        "no message": b"",
        "octets": bytes(range(256)) * 40,
    }


AUTOMATIC = {
    "out of office": "Auto-Submitted: auto-replied",
    "out of office, older": "Precedence: auto_reply",
    "out of office, another": "X-Autoreply: yes",
    "vacation": "X-Autorespond: gone fishing",
    "nobody": "Return-Path: <>",
    "a report": 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    "failed": "X-Failed-Recipients: ann@example.org",
}


def test_what_is_not_ours_or_no_wish_changes_nothing(engine: Engine, ann: people.Subscriber, now: datetime) -> None:
    word = token(LINKS.unsubscribe(ann.handle, "weekly"))
    before = everything(engine)
    for name, written in nothing_of_ours(word, ann).items():
        assert receive(engine, LINKS, written, now) is Received.NOTHING, name
    for name, header in AUTOMATIC.items():
        written = mail(f"Automatic reply: unsubscribe {word}", "leave@paper.example", header)
        assert receive(engine, LINKS, written, now) is Received.AUTOMATIC, name
    assert everything(engine) == before
    with db.reading(engine) as session:
        assert session.execute(select(table(Delivery))).all() == []  # nothing is ever answered


@settings(max_examples=150)
@given(st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_no_octets_break_the_reading(octets: bytes) -> None:
    read(octets)
    read(b"Subject: " + octets)
    read(b"Subject: =?utf-8?b?" + octets)


def test_only_so_much_is_looked_at(now: datetime) -> None:
    tokens = [f"{number:040d}" for number in range(100)]
    assert len(read(mail(" ".join(tokens))).tokens) == 20
    assert read(b"X: y\n" * LONGEST_HEAD + mail("0" * 40)).tokens == ()


SETTINGS = """
[site]
name = "The Paper"
url = "https://paper.example"
[mail]
from = "news@paper.example"
unsubscribe_address = "leave@paper.example"
[database]
url = "{url}"
[web]
public_url = "https://paper.example"
secret = "the secret of this newsroom"
"""


def newsroom(folder: Path, url: str) -> Path:
    path = folder / "config.toml"
    path.write_text(SETTINGS.format(url=url))
    return path


def run(config: Path, message: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "digest", "--config", str(config), *options, "feedback", "receive"]
    return subprocess.run(command, input=message, capture_output=True, check=False)


def test_a_pipe_hands_the_mail_to_the_command(
    engine: Engine, ann: people.Subscriber, database_url: str, tmp_path: Path
) -> None:
    config = newsroom(tmp_path, database_url)
    written = mail(f"unsubscribe {token(LINKS.unsubscribe(ann.handle, 'weekly'))}", body="x" * 2_000_000)
    done = run(config, written, "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"outcome": "unsubscribed"}\n', b"")
    assert status_of(engine, "ann@example.org") == "unsubscribed"
    assert run(config, b"hello").returncode == 0  # else the mail server would send it back


def test_a_mail_that_can_not_be_taken_now_stays_with_the_mail_server(tmp_path: Path) -> None:
    config = newsroom(tmp_path, f"sqlite:///{tmp_path}/no/such/folder.db")
    done = run(config, mail("unsubscribe"))
    assert done.returncode == 75
    assert done.stderr.startswith(b"The message was not taken, and the mail server should try again: ")
    assert b"Traceback" not in done.stderr
    config.write_text("nonsense")
    assert run(config, mail("unsubscribe")).returncode == 75


def test_a_mail_is_kept_by_the_mail_server_whatever_goes_wrong(
    engine: Engine, ann: people.Subscriber, database_url: str, tmp_path: Path
) -> None:
    """Any exit code but 0 and 75 would send it back."""
    config = newsroom(tmp_path, database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE consent"))
    done = run(config, mail(f"unsubscribe {token(LINKS.unsubscribe(ann.handle, 'weekly'))}"))
    assert done.returncode == 75
    assert b"Traceback" not in done.stderr
    assert b"ann@" not in done.stderr
    assert status_of(engine, "ann@example.org") == "confirmed"
