"""Every wrong token at every door: nothing happens to anybody, and no answer tells (S-B1, S-B2, S-B19, H-03)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine
from webhost import SUPPRESSION_KEY, Host, add_list, add_reader, everything, serving, status_of

from digest import db
from digest.links import Links
from digest.models import people
from subscribers.joining import SignUp, join
from subscribers.tokens import KeyRing

PAIR = {"List-Unsubscribe": "One-Click"}
COOKIES = {"cookie": "session=somebody; __Host-desk=1; subscriber=bob@example.org"}


@dataclass(frozen=True)
class Town:
    """Ann and Bob on two lists each, and Cat, who was asked by mail; links of each."""

    host: Host
    ann: bytes
    bob: bytes
    expired: int  # the number of a confirm mail of Cat's that is too old
    late: int  # that of the one which replaced it

    def wrong_tokens(self) -> dict[str, str]:
        """Tokens that must do nothing to Bob or Cat, by what is wrong with them."""
        links = self.host.links
        forged = Links(links.base, KeyRing("somebody else's key"))
        whole = {
            "none": "x/",
            "only the address": "x/bob@example.org",
            "the number": "x/2",
            "forged": forged.unsubscribe(self.bob, "weekly"),
            "forged confirm": forged.confirm(b"c" * 12, self.late),
            "forged decline": forged.decline(b"c" * 12, self.late),
            "another list": links.unsubscribe(self.bob, "nosuch"),
            "to look at": links.preferences(self.bob, "weekly"),
            "expired": links.confirm(b"c" * 12, self.expired),
            "Ann's with the number of Cat's mail": links.confirm(self.ann, self.late),
            "Ann's decline of Cat's mail": links.decline(self.ann, self.late),
        }
        return {name: link.rpartition("/")[2] for name, link in whole.items()}


@pytest.fixture
def town(engine: Engine, now: datetime) -> Iterator[Town]:
    """It stands in the hour after the first mail to Cat has expired."""
    with db.writing(engine) as session:
        add_list(session, now)
        add_list(session, now, "daily")
        ann, bob = (add_reader(session, now, f"{name}@example.org") for name in ("ann", "bob"))
        for person in (ann, bob):
            place = people.Subscription(subscriber_id=person.id, list_id="daily", status="confirmed", created_at=now)
            session.add(place)
        asked = [
            join(
                session,
                SignUp("cat@example.org", ("weekly",)),
                key=SUPPRESSION_KEY,
                now=at,
                random_bytes=lambda size: b"c" * size,
            ).sends[0]
            for at in (now, now + timedelta(days=6))
        ]
    with serving(engine, now + timedelta(days=8)) as host:
        yield Town(host, ann.handle, bob.handle, *(one.confirmation_id for one in asked))


def doors(token: str) -> list[tuple[str, dict[str, str]]]:
    """Every form that our links lead to, with every button, and the one-click pair."""
    leave = [
        (f"/unsubscribe/{token}", fields) for fields in (PAIR, {"answer": "unsubscribe"}, {"answer": "everything"})
    ]
    return [*leave, *((f"/confirm/{token}", {"answer": answer}) for answer in ("confirm", "decline"))]


def told(answer: httpx.Response) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    return answer.status_code, answer.content, tuple(pair for pair in answer.headers.items() if pair[0] != "date")


def test_no_wrong_token_does_anything_at_any_door_and_all_are_answered_alike(town: Town) -> None:
    before = everything(town.host.engine)
    answers: dict[int, set[object]] = {}
    with town.host.client() as web:
        for token in town.wrong_tokens().values():
            for door, (path, fields) in enumerate(doors(token)):
                if door == 4 and token == town.wrong_tokens()["expired"]:
                    continue  # "I did not ask" counts for ever
                for headers in ({}, COOKIES):
                    answers.setdefault(door, set()).add(told(web.post(path, data=fields, headers=headers)))
    assert everything(town.host.engine) == before
    assert {door: len(each) for door, each in answers.items()} == dict.fromkeys(range(5), 1)


def test_a_right_token_does_its_own_alone(town: Town) -> None:
    host, token = town.host, town.host.links.unsubscribe(town.ann, "weekly").rpartition("/")[2]

    def standing() -> list[str | None]:
        names = [("ann", "weekly"), ("ann", "daily"), ("bob", "weekly"), ("bob", "daily"), ("cat", "weekly")]
        return [status_of(host.engine, f"{name}@example.org", one) for name, one in names]

    with host.client() as web:
        for path, fields in doors(token)[3:]:
            web.post(path, data=fields, headers=COOKIES)
        assert standing() == ["confirmed"] * 4 + ["pending"]
        web.post(*doors(token)[0][:1], data=PAIR | {"answer": "everything"})  # one-click is for the list alone
        assert standing() == ["unsubscribed", "confirmed", "confirmed", "confirmed", "pending"]
        answer = web.post(f"/unsubscribe/{token}", data={"answer": "everything"})
        assert "We do not send you any newsletter any more" in answer.text
        assert standing() == ["unsubscribed", "unsubscribed", "confirmed", "confirmed", "pending"]
        web.post(
            f"/unsubscribe/{host.links.decline(b'c' * 12, town.late).rpartition('/')[2]}", data={"answer": "everything"}
        )
        assert standing()[4] == "declined"


EVIL = [
    "//evil.example",
    "/\\evil.example",
    "https:evil.example",
    "%2f%2fevil.example",
    "@evil.example",
    "\tjavascript:x",
]


def test_nothing_leads_elsewhere(town: Town) -> None:
    names = ("next", "url", "return", "redirect", "to", "lang", "continue")
    with town.host.client() as web:
        for path in ("/", "/subscribe", "/unsubscribe/x", "/confirm/x", "/archive", "/form.js"):
            for name in names:
                for value in EVIL:
                    answers = [web.get(path, params={name: value}), web.post(path, params={name: value})]
                    assert [answer.status_code // 100 for answer in answers if answer.status_code // 100 == 3] == []
                    assert "evil.example" not in "".join(answer.text for answer in answers)
