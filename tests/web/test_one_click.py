"""Leaving, as RFC 8058 asks and as a person does: H-05 to H-11, H-13, S-B1, S-B12, S-B13."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine
from webhost import (
    SECRET,
    SUPPRESSION_KEY,
    Host,
    add_list,
    add_reader,
    configured,
    everything,
    serving,
    status_of,
)

from digest import db
from digest.links import Links
from digest.models import people
from subscribers.joining import SignUp, join
from subscribers.tokens import Claim, KeyRing, Purpose, sign

LOOKS = int(os.environ.get("LOOKS", "1000"))  # 10,000 say it all
PAIR = b"List-Unsubscribe=One-Click"
URLENCODED = "application/x-www-form-urlencoded"


def multipart(boundary: str = "b0und", head: str = "", end: str = "\r\n") -> bytes:
    part = f'Content-Disposition: form-data; name="List-Unsubscribe"{end}{head}{end}One-Click'
    return f"--{boundary}{end}{part}{end}--{boundary}--{end}".encode()


@pytest.fixture
def ann(host: Host, now: datetime) -> Iterator[people.Subscriber]:
    """A confirmed reader of the list."""
    with db.writing(host.engine) as session:
        person = add_reader(session, now, "ann@example.org")
    yield person


def link(host: Host, person: people.Subscriber, list_id: str = "weekly") -> str:
    return host.path(host.links.unsubscribe(person.handle, list_id))


BODIES = [
    ("urlencoded", URLENCODED, PAIR),
    ("urlencoded, charset", "application/x-www-form-urlencoded; charset=UTF-8", PAIR),
    ("urlencoded, charset without a blank", "application/x-www-form-urlencoded;charset=utf-8", PAIR),
    ("urlencoded in capitals", "APPLICATION/X-WWW-FORM-URLENCODED", PAIR),
    ("urlencoded and a line end", URLENCODED, PAIR + b"\r\n"),
    ("urlencoded with an escape", URLENCODED, b"List-Unsubscribe=One%2DClick"),
    ("urlencoded with another field", URLENCODED, b"List%2dUnsubscribe=One-Click&a=b"),
    ("multipart", "multipart/form-data; boundary=b0und", multipart()),
    ("multipart, quoted boundary", 'multipart/form-data; boundary="b0und"', multipart()),
    ("multipart, charset", "multipart/form-data; charset=utf-8; boundary=b0und", multipart()),
    ("multipart, odd charset", "multipart/form-data; charset=rot13; boundary=b0und", multipart()),
    ("multipart, charset that decodes nothing", "multipart/form-data; charset=undefined; boundary=b0und", multipart()),
    ("multipart in capitals", "Multipart/Form-Data; Boundary=b0und", multipart()),
    ("multipart, typed part", "multipart/form-data; boundary=b0und", multipart(head="Content-Type: text/plain\r\n")),
    (
        "multipart, preamble and epilogue",
        "multipart/form-data; boundary=b0und",
        b"preamble\r\n" + multipart() + b"epilogue",
    ),
    ("no content type", None, PAIR),
    ("text/plain", "text/plain", PAIR),
    ("no media type at all", "nonsense", PAIR),
]


def readers(host: Host, now: datetime, count: int) -> list[people.Subscriber]:
    """As many confirmed readers: each case of a table has its own."""
    with db.writing(host.engine) as session:
        return [add_reader(session, now, f"reader{number}@example.org") for number in range(count)]


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_one_click_acts_in_one_request(host: Host, web: httpx.Client, now: datetime, chunked: bool) -> None:
    for reader, (caption, content_type, body) in zip(readers(host, now, len(BODIES)), BODIES, strict=True):
        headers = {"content-type": content_type} if content_type else {}
        content = iter([body[:7], body[7:]]) if chunked else body
        answer = web.post(link(host, reader), content=content, headers=headers)
        one_click_done(answer, caption)
        assert status_of(host.engine, reader.email) == "unsubscribed", caption


def one_click_done(answer: httpx.Response, caption: str = "") -> None:
    assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n"), caption
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers


AGENTS = [
    ("Gmail", {"user-agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com)"}),
    ("empty agent", {"user-agent": ""}),
    ("cookies of somebody else", {"cookie": "session=somebody-else; __Host-desk=1"}),
    ("another origin", {"origin": "null", "referer": "https://evil.example/"}),
    ("cross-site", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}),
    ("behind a proxy over http", {"x-forwarded-proto": "http", "x-forwarded-host": "other.example"}),
    ("another host name", {"host": "mail.other.example"}),
    ("credentials", {"authorization": "Basic YTpi"}),
    ("asks for JSON", {"accept": "application/json"}),
    ("odd languages", {"accept-language": "xx", "accept-encoding": "br"}),
    ("asks before sending", {"expect": "100-continue"}),
]


def test_one_click_needs_nothing_but_the_link(host: Host, web: httpx.Client, now: datetime) -> None:
    for reader, (caption, headers) in zip(readers(host, now, len(AGENTS)), AGENTS, strict=True):
        answer = web.post(link(host, reader), content=PAIR, headers={"content-type": URLENCODED, **headers})
        one_click_done(answer, caption)
        assert status_of(host.engine, reader.email) == "unsubscribed", caption


def escaped(path: str) -> str:
    """Every letter of the token as an upper-case percent escape."""
    head, _, token = path.rpartition("/")
    return f"{head}/" + "".join(f"%{ord(letter):02X}" for letter in token)


SPELLINGS: list[tuple[str, Callable[[str], str]]] = [
    ("final slash", lambda path: path + "/"),
    ("two final slashes", lambda path: path + "//"),
    ("two first slashes", lambda path: "/" + path),
    ("all slashes doubled", lambda path: path.replace("/", "//")),
    ("upper-case escapes", escaped),
    ("lower-case escapes", lambda path: escaped(path).lower()),
    ("escape in the page's name", lambda path: path.replace("unsubscribe", "%75nsubscribe")),
    ("a query", lambda path: path + "?utm_source=mail&x=%2F%2Fevil.example"),
    ("final slash and an empty query", lambda path: path + "/?"),
]


def test_every_spelling_of_the_link_works_without_a_redirect(host: Host, now: datetime) -> None:
    for reader, (caption, spell) in zip(readers(host, now, len(SPELLINGS)), SPELLINGS, strict=True):
        head = f"POST {spell(link(host, reader))} HTTP/1.1\r\nHost: paper.example\r\nContent-Type: {URLENCODED}\r\n"
        tail = "Content-Length: 26\r\nConnection: close\r\nX-Forwarded-Proto: http\r\n\r\n"
        answer = host.raw((head + tail).encode() + PAIR)
        assert answer.startswith(b"HTTP/1.1 200 "), caption
        assert answer.endswith(b"\r\n\r\nUnsubscribed.\n"), caption
        assert status_of(host.engine, reader.email) == "unsubscribed", caption


HEADS = [
    ("HTTP/1.1 without a user agent", b"POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"),
    ("HTTP/1.0 without a host", b"POST %s HTTP/1.0\r\n"),
]


def test_one_click_by_bare_sockets(host: Host, now: datetime) -> None:
    for reader, (caption, head) in zip(readers(host, now, len(HEADS)), HEADS, strict=True):
        line = head % link(host, reader).encode()
        answer = host.raw(line + b"Content-Type: " + URLENCODED.encode() + b"\r\nContent-Length: 26\r\n\r\n" + PAIR)
        assert b" 200 " in answer.split(b"\r\n")[0], caption
        assert answer.endswith(b"Unsubscribed.\n"), caption
        assert status_of(host.engine, reader.email) == "unsubscribed", caption


BUTTONS = [
    ("the button", URLENCODED, b"answer=unsubscribe"),
    ("nothing", URLENCODED, b""),
    ("another pair", URLENCODED, b"List-Unsubscribe=Two-Clicks"),
    ("multipart without a boundary", "multipart/form-data", b"garbage"),
    ("multipart that is none", "multipart/form-data; boundary=b0und", b"garbage"),
    ("multipart cut off", "multipart/form-data; boundary=b0und", multipart()[:-12]),
    (
        "a file",
        "multipart/form-data; boundary=b0und",
        b'--b0und\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nx\r\n--b0und--\r\n',
    ),
    ("JSON", "application/json", b'{"List-Unsubscribe": "One-Click"}'),
]


def test_any_other_post_is_the_button_and_shows_a_page(host: Host, web: httpx.Client, now: datetime) -> None:
    for reader, (caption, content_type, body) in zip(readers(host, now, len(BUTTONS)), BUTTONS, strict=True):
        answer = web.post(link(host, reader), content=body, headers={"content-type": content_type})
        assert answer.status_code == 200, caption
        assert "You are unsubscribed" in answer.text, caption
        assert 'href="/"' in answer.text
        assert "set-cookie" not in answer.headers
        assert status_of(host.engine, reader.email) == "unsubscribed", caption


def test_looking_changes_nothing(host: Host, web: httpx.Client, ann: people.Subscriber, now: datetime) -> None:
    with db.writing(host.engine) as session:
        sign_up = SignUp("bob@example.org", ("weekly",))
        joined = join(session, sign_up, key=SUPPRESSION_KEY, now=now, random_bytes=lambda count: b"r" * count)
    confirmation = joined.sends[0].confirmation_id
    paths = [
        link(host, ann),
        host.path(host.links.confirm(b"r" * 12, confirmation)),
        host.path(host.links.decline(b"r" * 12, confirmation)),
    ]
    headers = [
        {"user-agent": "Mozilla/5.0 (compatible; Microsoft Office 365 ATP SafeLinks)"},
        {"sec-purpose": "prefetch;prerender", "purpose": "prefetch"},
        {"user-agent": "Barracuda Sentinel (EE)", "x-http-method-override": "POST"},
        {},
    ]
    before = everything(host.engine)
    methods = ["GET", "HEAD", "GET", "OPTIONS"]
    for number in range(LOOKS):
        path = paths[number % 3] + ("?List-Unsubscribe=One-Click&answer=confirm" if number % 5 == 0 else "")
        answer = web.request(methods[number % 4], path, headers=headers[number // 4 % 4])
        assert answer.status_code == (405 if methods[number % 4] == "OPTIONS" else 200)
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        assert [web.request(method, path).status_code for path in paths] == [405] * 3
    assert everything(host.engine) == before
    assert "You are subscribed" in web.post(paths[1], data={"answer": "confirm"}).text  # the link is not used up
    one_click_done(web.post(paths[0], content=PAIR))


def test_a_thousandth_press_is_answered_as_the_first(
    host: Host, web: httpx.Client, ann: people.Subscriber, now: datetime
) -> None:
    first = web.post(link(host, ann), content=PAIR)
    after_first = everything(host.engine)
    answers = {web.post(link(host, ann), content=PAIR).content for _ in range(50)}
    assert answers == {first.content}
    assert everything(host.engine) == after_first


def test_no_answer_tells_who_is_known(host: Host, web: httpx.Client, ann: people.Subscriber, now: datetime) -> None:
    with db.writing(host.engine) as session:
        gone = add_reader(session, now, "gone@example.org", status="unsubscribed")
    forged = Links(host.links.base, KeyRing("another key")).unsubscribe(ann.handle, "weekly")
    paths = {
        "known": link(host, ann),
        "left already": link(host, gone),
        "deleted or never here": host.path(host.links.unsubscribe(b"x" * 12, "weekly")),
        "list that is not": host.path(host.links.unsubscribe(ann.handle, "nothing")),
        "forged": host.path(forged),
        "for confirming": host.path(host.links.confirm(ann.handle, 1)).replace("confirm", "unsubscribe", 1),
        "nonsense": "/unsubscribe/%00%ff%2F..%2F..%2Fetc",
        "deep": "/unsubscribe/a/b/c",
        "none": "/unsubscribe",
        "endless": "/unsubscribe/" + "a" * 5_000,
    }
    pages = {name: web.get(path) for name, path in paths.items()}
    clicks = {name: web.post(path, content=PAIR) for name, path in paths.items()}
    presses = {name: web.post(path, data={"answer": "unsubscribe"}) for name, path in paths.items()}
    for answers in (pages, clicks, presses):
        seen = {(answer.status_code, answer.content, without_date(answer)) for answer in answers.values()}
        assert len(seen) == 1
        assert next(iter(seen))[0] == 200


def without_date(answer: httpx.Response) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in answer.headers.items() if name != "date")


def test_a_token_is_for_one_person_one_list_one_purpose(
    host: Host, web: httpx.Client, ann: people.Subscriber, now: datetime
) -> None:
    with db.writing(host.engine) as session:
        add_list(session, now, "daily")
        add_reader(session, now, "bob@example.org")
        assert ann.id is not None
        session.add(people.Subscription(subscriber_id=ann.id, list_id="daily", status="confirmed", created_at=now))
    token = link(host, ann).rpartition("/")[2]
    before = everything(host.engine)
    assert "has done its work" in web.post(f"/confirm/{token}", data={"answer": "confirm"}).text
    assert "has done its work" in web.post(f"/confirm/{token}", data={"answer": "decline"}).text
    confirming = sign(host.links.keys, Claim(Purpose.CONFIRM, ann.handle, "weekly"))
    one_click_done(web.post(f"/unsubscribe/{confirming}", content=PAIR))
    assert everything(host.engine) == before
    one_click_done(web.post(link(host, ann), content=PAIR))
    standing = [status_of(host.engine, *who) for who in [("ann@example.org", "daily"), ("bob@example.org", "weekly")]]
    assert standing == ["confirmed", "confirmed"]
    assert status_of(host.engine, "ann@example.org") == "unsubscribed"


def test_no_flipped_bit_is_believed(host: Host, web: httpx.Client, ann: people.Subscriber) -> None:
    head, _, token = link(host, ann).rpartition("/")
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    before = everything(host.engine)
    flipped = [bytes([*raw[:at], raw[at] ^ (1 << bit), *raw[at + 1 :]]) for at in range(len(raw)) for bit in range(8)]
    written = [base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in flipped]
    spelled = [token[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    cut = [token[:length] for length in range(len(token))]
    for wrong in {*written, *spelled, *cut} - {token}:
        one_click_done(web.post(f"{head}/{wrong}", content=PAIR))
    assert everything(host.engine) == before


def test_the_link_outlives_two_changes_of_the_key(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
        person = add_reader(session, now, "ann@example.org")
    rotated = configured(secret="the third", old_secrets=("the second", SECRET))
    with serving(engine, now + timedelta(days=400), rotated) as host, host.client() as web:
        token = sign(KeyRing(SECRET), Claim(Purpose.UNSUBSCRIBE, person.handle, "weekly"))
        one_click_done(web.post(f"/unsubscribe/{token}", content=PAIR))
    assert status_of(engine, "ann@example.org") == "unsubscribed"


def test_the_link_of_a_confirm_mail_acts_too(host: Host, web: httpx.Client, now: datetime) -> None:
    who = SignUp("bob@example.org", ("weekly",))
    with db.writing(host.engine) as session:
        send = join(session, who, key=SUPPRESSION_KEY, now=now, random_bytes=lambda count: b"r" * count).sends[0]
    one_click_done(web.post(host.path(host.links.decline(b"r" * 12, send.confirmation_id)), content=PAIR))
    assert status_of(host.engine, "bob@example.org") == "declined"
    later = now + timedelta(days=40)
    with db.writing(host.engine) as session:
        again = join(session, who, key=SUPPRESSION_KEY, now=later, random_bytes=lambda count: b"r" * count)
    assert again.sends == ()


def test_who_left_is_recorded_with_how_and_from_where(engine: Engine, now: datetime) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
        people_here = [add_reader(session, now, f"{name}@example.org") for name in ("ann", "bob")]
    with serving(engine, now, configured(trusted_proxies=("127.0.0.1",))) as host, host.client() as web:
        web.post(link(host, people_here[0]), content=PAIR, headers={"x-forwarded-for": "192.0.2.7"})
        web.post(link(host, people_here[1]), headers={"x-forwarded-for": "6.6.6.6, 192.0.2.8"})
    rows = [(row[3], row[4], row[11]) for row in everything(engine)["consent"]]
    assert rows == [("unsubscribed", "one-click", "192.0.2.7"), ("unsubscribed", "page", "192.0.2.8")]


def test_no_token_is_logged(
    host: Host, web: httpx.Client, ann: people.Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    token = link(host, ann).rpartition("/")[2]
    for path in (f"/unsubscribe/{token}", f"/x/{token}", f"/confirm/{token}?a={token}"):
        web.get(path)
    web.post(link(host, ann), content=PAIR)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("digest", "uvicorn"))]
    assert len(ours) >= 4
    assert [line for line in ours if token in line] == []
