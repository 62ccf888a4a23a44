"""The filter language of segments: what it means on both databases, what it says of mistakes, and that it is words."""

from __future__ import annotations

import itertools
import json
import random
from datetime import datetime, timedelta

import pytest
from importing import taker
from newsroom import handle, make_lists
from sqlalchemy import Engine, insert, select
from sqlmodel import Session

from digest import db, segments
from digest.errors import NotFound
from digest.models import Delivery, DeliveryState, Edition, Issue, IssueState
from subscribers import tagging
from subscribers.columns import table
from subscribers.errors import BadFilter
from subscribers.leaving import unsubscribe
from subscribers.models import Subscriber
from subscribers.segments import parse
from subscribers.transfer import Order

DAY = "2025-03-01"
PEOPLE = [
    {"email": "ann@example.org", "name": "Ann Lee", "language": "de-CH", "tags": ["VIP", "board members"]},
    {"email": "bob@example.org", "name": "Bob 100%", "language": "de", "city": "Bern", "age": "42", "since": DAY},
    {"email": "cy@bücher.example", "city": "bern", "attributes": {"age": 7, "vip": True, "a b": "x_y", "n": None}},
    {"email": "dee@example.com", "attributes": {"age": "old", "since": "long ago", "Ort": "Zürich", "l": ["q"]}},
]
NOBODY: set[str] = set()
EVERYBODY = {"ann", "bob", "cy", "dee"}


@pytest.fixture
def office(engine: Engine, now: datetime) -> Engine:
    """Ann, Bob, Cy and Dee on the weekly, three days apart; Bob left it; Ann and Bob got issue 1, Ann issue 2."""
    with db.writing(engine) as session:
        make_lists(session, now)
        session.add(Edition(id="weekly", list_id="weekly", title="Weekly"))
        session.add(Edition(id="daily digest", list_id="daily", title="Daily"))
        session.flush()
        window = {"window_start": now, "window_end": now, "created_at": now, "state": IssueState.SENT}
        session.add_all(Issue(id=n, edition_id="weekly", number=n, **window) for n in (1, 2))
    for days, person in enumerate(PEOPLE):
        at = now - timedelta(days=9 - 3 * days)
        taker(engine, at)(json.dumps(person), Order("weekly", confirmed=days < 3, consent="x"), name=str(days))
    taker(engine, now)("email\nann@example.org\n", Order("daily", confirmed=True, consent="x"))
    with db.writing(engine) as session:
        unsubscribe(session, handle(session, "bob@example.org"), "weekly", method="page", now=now)
        ids = dict(session.execute(select(table(Subscriber).c.email, table(Subscriber).c.id)).all())
        got = [("ann@example.org", 1, "sent"), ("bob@example.org", 1, "sent"), ("ann@example.org", 2, "sent")]
        got.append(("cy@xn--bcher-kva.example", 2, DeliveryState.FAILED))
        rows = [
            {"occasion": f"issue:{n}", "issue_id": n, "subscriber_id": ids[email], "state": state}
            | {"variant_id": 1, "slice_id": 1, "message_id": "<x>"}
            for email, n, state in got
        ]
        session.execute(insert(table(Delivery)), rows)
    return engine


def meant(session: Session, text: str, now: datetime, list_id: str | None = None) -> set[str]:
    person = table(Subscriber)
    where = segments.where(session, text, now=now, list_id=list_id)
    return {email.partition("@")[0] for email in session.execute(select(person.c.email).where(where)).scalars()}


MEANT = {
    "tag = vip": {"ann"},
    'tag in (nobody, "Board  MEMBERS")': {"ann"},
    "tag != vip": {"bob", "cy", "dee"},
    "tag is set": {"ann"},
    "language = de": {"bob"},
    "language begins DE": {"ann", "bob"},
    "not language = de": {"ann", "cy", "dee"},
    "language is missing": {"cy", "dee"},
    "domain = bücher.example": {"cy"},
    "domain = xn--bcher-kva.example": {"cy"},
    "domain ends .com": {"dee"},
    "email contains @EXAMPLE.": {"ann", "bob", "dee"},
    'name = "Ann Lee"': {"ann"},
    'name contains "%"': {"bob"},
    'name contains "_"': NOBODY,
    "name is missing": {"cy", "dee"},
    "attributes.city = Bern": {"bob"},
    "attributes.city in (Bern, bern)": {"bob", "cy"},
    "attributes.city != Bern": {"ann", "cy", "dee"},
    "attributes.city is missing": {"ann", "dee"},
    "attributes.vip = true": {"cy"},
    'attributes."a b" contains "_"': {"cy"},
    "attributes.n is set": NOBODY,
    "attributes.Ort = Zürich": {"dee"},
    "attributes.ort = Zürich": NOBODY,
    "attributes.l contains q": {"dee"},
    "attributes.age < 42": {"cy"},
    "attributes.age >= 42": {"bob"},
    "attributes.age = 7": {"cy"},
    "not attributes.age > 0": {"ann", "dee"},
    "attributes.since < 2025-03-02": {"bob"},
    "attributes.since >= 2025-03-01": {"bob"},
    "status = confirmed": {"ann", "cy"},
    "status = unsubscribed": {"bob"},
    "status = pending": {"dee"},
    "status in (pending, unsubscribed)": {"bob", "dee"},
    "list = daily": {"ann"},
    "list = weekly": {"ann", "cy"},
    "joined < 5 days ago": {"ann", "bob"},
    "joined > 1 week ago": {"bob", "cy", "dee", "ann"},
    "joined = 2026-11-11": {"ann"},
    "joined in (2026-11-11, 2026-11-14)": {"ann", "bob"},
    "joined >= 2026-11-17 and joined <= 2026-11-17": {"cy", "ann"},  # Ann on two lists, before and after
    "joined < 2026-11-11": NOBODY,
    "joined > 2026-11-11": {"bob", "cy", "dee", "ann"},  # Ann joined the daily later
    "confirmed is missing": {"dee"},
    "left is set": {"bob"},
    "joined < 9999-12-31": {"ann", "bob", "cy", "dee"},
    "got weekly": {"ann", "bob"},
    "missed weekly": {"cy", "dee"},
    "got weekly 2": {"ann"},
    "missed weekly 2 and status = confirmed": {"cy"},
    'got "daily digest"': NOBODY,
    "tag = vip or language = de and not got weekly 2": {"ann", "bob"},
    "(tag = vip or language = de) and not got weekly 2": {"bob"},
    "NOT (tag = vip OR language = de)": {"cy", "dee"},
}


def test_what_filters_mean(office: Engine, now: datetime) -> None:
    with db.reading(office) as session:
        assert {text: meant(session, text, now) for text in MEANT} == MEANT
        for text, found in MEANT.items():  # `not` is the opposite, whatever is missing
            assert meant(session, f"not ({text})", now) == EVERYBODY - found


@pytest.mark.parametrize(
    "said",
    [
        'email = "STRAßE@bücher.example"',
        "email in (straße@xn--bcher-kva.example, x)",
        "domain = Bücher.example",
        "email begins Straß",
        "not domain != xn--bcher-kva.example",
    ],
)
def test_an_address_is_found_however_it_is_written(engine: Engine, now: datetime, said: str) -> None:
    with db.writing(engine) as session:
        make_lists(session, now)
    taker(engine, now)("email\nstraße@bücher.example\nstrasse@example.org\n")
    with db.reading(engine) as session:
        found = select(table(Subscriber).c.domain).where(segments.where(session, said, now=now))
        assert session.execute(found).scalars().all() == ["xn--bcher-kva.example"]


def test_a_list_makes_status_and_dates_its_own(office: Engine, now: datetime) -> None:
    with db.reading(office) as session:
        assert meant(session, "joined > 1 week ago", now, "weekly") == {"bob", "cy", "dee"}
        assert meant(session, "status = confirmed", now, "daily") == {"ann"}


def test_editions_and_issues_that_there_are_not(office: Engine, now: datetime) -> None:
    with db.reading(office) as session:
        with pytest.raises(NotFound, match='no edition "nosuch"'):
            meant(session, "got nosuch", now)
        with pytest.raises(NotFound, match="no issue 77"):
            meant(session, "missed weekly 77", now)


def test_tags_are_put_on_and_taken_off(office: Engine, now: datetime) -> None:
    with db.writing(office) as session:
        quiet = segments.where(session, "missed weekly 2", now=now)
        assert [tagging.tag(session, "quiet", quiet) for _ in range(2)] == [3, 0]
        assert meant(session, "tag = QUIET", now) == {"bob", "cy", "dee"}
        assert tagging.untag(session, "quiet", segments.where(session, "status = pending", now=now)) == 1
        assert meant(session, "tag = quiet", now) == {"bob", "cy"}


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("", "expected one of email, domain,", 1),
        ("tag", "expected =, !=, in, is set, is missing, got the end", 4),
        ("tag = ", "expected a value, in quotes if it has spaces, got the end", 6),
        ("tag ~ vip", 'got "~"', 5),
        ("tag = vip language = de", "expected and, or, or the end", 11),
        ("city = Bern", "expected one of email, domain, name, language, joined, confirmed, left, status", 1),
        ("attributes. = x", "expected a name after attributes.", 1),
        ("(tag = vip", "expected a closing bracket, got the end", 11),
        ("tag in vip", "expected an opening bracket", 8),
        ("tag in (vip", "expected a comma or a closing bracket", 12),
        ("joined > soon", "expected a date like 2026-05-31, or 30 days ago", 10),
        ("joined > 30 days", "expected ago", 17),
        ("joined = 3 days ago", "expected a date, or < or >", 10),
        ("joined = 2026-02-30", "expected a date like", 10),
        ("attributes.age > old", "expected a number, or a date", 18),
        ("status = happy", "expected pending or confirmed", 10),
        ("got", "expected the id of an edition", 4),
        ("tag = and", "expected a value", 7),
        ('name = "open', "a sign that means nothing here", 8),
        ("tag is", "expected set or missing", 7),
        ("tag not vip", "expected in", 9),
        ("not " * 30 + "tag = a", "deeper than 20", 85),
        ("(" * 30, "deeper than 20", 22),
        (" or ".join(["tag = a"] * 101), "at most 100 tests", 1101),
        ("tag = " + "x" * 2_000, "at most 2000 characters", 2001),
        ("tag in (" + ",".join("abc"[n % 3] for n in range(502)) + ")", "at most 500 values", 1009),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, said: str, at: int) -> None:
    with pytest.raises(BadFilter) as caught:
        parse(text)
    assert said in str(caught.value)
    assert caught.value.at == at


# What was SQL, a path of JSON, a pattern or a template somewhere else.
EVIL = r"""
' OR '1'='1
" OR ""="
'; DROP TABLE subscriber; --
1; DELETE FROM suppression
x' UNION SELECT email FROM subscriber--
admin'--
') OR ('a'='a
\' OR 1=1 --
%27 OR 1=1
1 OR sleep(5)
x'||pg_sleep(5)--
$$;select 1;$$
:param
%(name)s
%s
?1
{0}
{{7*7}}
${7*7}
$(id)
\
$."a"
a'->>'b
a"]
*
[a-z]*
_
x' COLLATE nocase --
\u02bc OR 1=1
CAST(1 AS TEXT)
CASE WHEN 1=1 THEN 1 END
NULL
1e309
99999999999999999999999999999999999999999999
""".strip().split("\n")
FRAMES = """
tag = Q
name contains Q
name begins Q
email = Q
email ends Q
domain in (Q, b)
language begins Q
list = Q
attributes.Q = x
attributes.Q begins Q
attributes.city = Q
attributes.city contains Q
attributes.Q is set
attributes.Q > 1
got Q 1
U
tag = U
joined > U
attributes.age > U
""".strip().split("\n")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_a_filter_is_only_words(office: Engine, now: datetime) -> None:
    """Hundreds of payloads in every place change nothing, find nobody and raise nothing but our own errors."""
    tried = [
        frame.replace("Q", quoted(evil)) if "Q" in frame else frame.replace("U", evil)
        for frame, evil in itertools.product(FRAMES, EVIL)
    ]
    assert len(tried) > 600
    with db.writing(office) as session:
        before = session.execute(select(table(Subscriber))).all()
        for text in tried:
            try:
                assert meant(session, text, now) == NOBODY, text
            except (BadFilter, NotFound):
                continue
        assert session.execute(select(table(Subscriber))).all() == before


def test_what_makes_no_sense_is_said_and_nothing_else() -> None:
    """Whatever signs a filter is made of, it is read or refused with a place within it."""
    dice = random.Random(7)
    words = [
        "tag",
        "=",
        "(",
        ")",
        "and",
        "or",
        "not",
        "in",
        ",",
        '"x"',
        "attributes.a",
        "joined",
        "3",
        "days",
        "ago",
        "got",
        "'",
    ]
    for _ in range(3_000):
        text = " ".join(dice.choices(words, k=dice.randint(0, 12)))
        try:
            parse(text)
        except BadFilter as error:
            assert 1 <= error.at <= len(text) + 1
