"""Signing up, answering the confirm mail, and what strangers can't do with it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from newsroom import KEY, TEXT, claim, counting, handle, how_many, make_lists, proofs, sign_up, statuses
from sqlalchemy import Engine, select
from sqlmodel import Session

from digest import db
from subscribers.addresses import BadAddress
from subscribers.answering import lists_asked
from subscribers.audience import CONFIRM_MAILS, size
from subscribers.choices import chosen
from subscribers.columns import table
from subscribers.errors import NoConsent
from subscribers.joining import Outcome, SignUp, admit, confirm, decline
from subscribers.leaving import suppress, unsubscribe
from subscribers.models import Confirmation, Consent, Subscriber, Subscription
from subscribers.tokens import Claim, Purpose

ANN = "ann@example.org"
DAY = timedelta(days=1)


def confirmed(session: Session, now: datetime, random: Any, email: str = ANN, *lists: str) -> int:
    """Ann signed up and pressed the button; the number of her confirmation."""
    (send,) = sign_up(session, email, *lists, now=now, random=random).sends
    assert confirm(session, claim(session, Purpose.CONFIRM, email, send.confirmation_id), now=now).list_ids
    return send.confirmation_id


def test_a_sign_up_is_pending_until_the_button_is_pressed(session: Session, now: datetime, random: Any) -> None:
    (send,) = sign_up(session, " Ann@Example.org", now=now, random=random).sends
    assert (send.kind, send.list_id, send.also) == ("confirm", "weekly", ())
    assert statuses(session, ANN) == {"weekly": "pending"}
    assert size(session, "weekly", now) == 0
    answer = confirm(session, claim(session, Purpose.CONFIRM, ANN, send.confirmation_id), ip="192.0.2.9", now=now)
    assert (answer.outcome, answer.list_ids) == (Outcome.DONE, ("weekly",))
    assert statuses(session, ANN) == {"weekly": "confirmed"}
    assert size(session, "weekly", now) == 1


def test_the_proof_is_complete(session: Session, now: datetime, random: Any) -> None:
    sent = sign_up(session, "Ann@Example.org", now=now, random=random, form_url="https://x.example/", locale="en")
    number = sent.sends[0].confirmation_id
    confirm(
        session,
        claim(session, Purpose.CONFIRM, ANN, number),
        ip="192.0.2.9",
        now=now + DAY,
        message_id="<a@x.example>",
    )
    asked, answered = session.execute(select(table(Consent)).order_by(table(Consent).c.id)).all()
    assert (asked.action, asked.list_id, asked.method, asked.at) == ("asked", "weekly", "form", now)
    assert (asked.email_typed, asked.ip, asked.locale) == ("Ann@Example.org", "192.0.2.7", "en")
    assert (asked.text, asked.form_url) == (TEXT, "https://x.example/")
    assert asked.text_hash == hashlib.sha256(TEXT.encode()).hexdigest()
    assert (answered.action, answered.ip, answered.at) == ("confirmed", "192.0.2.9", now + DAY)
    assert (answered.method, answered.message_id) == ("page", "<a@x.example>")


def test_several_lists_are_one_mail_and_one_button(session: Session, now: datetime, random: Any) -> None:
    (send,) = sign_up(session, ANN, "daily", "weekly", "daily", now=now, random=random).sends
    assert (send.list_id, send.also) == ("daily", ("weekly",))
    pressed = claim(session, Purpose.CONFIRM, ANN, send.confirmation_id)
    assert lists_asked(session, pressed) == ("daily", "weekly")
    assert confirm(session, pressed, now=now).list_ids == ("daily", "weekly")
    assert statuses(session, ANN) == {"daily": "confirmed", "weekly": "confirmed"}


@pytest.mark.parametrize("lists", [("staff",), ("old",), ("nosuch",), ("staff", "nosuch"), ("' OR 1=1 --",)])
def test_private_and_unknown_lists_leave_no_trace(
    session: Session, now: datetime, random: Any, lists: tuple[str, ...]
) -> None:
    assert sign_up(session, ANN, *lists, now=now, random=random).sends == ()
    assert [how_many(session, model) for model in (Subscriber, Subscription, Confirmation, Consent)] == [0] * 4


def test_known_lists_are_joined_beside_unknown_ones(session: Session, now: datetime, random: Any) -> None:
    sign_up(session, ANN, "staff", "weekly", now=now, random=random)
    assert statuses(session, ANN) == {"weekly": "pending"}


@pytest.mark.parametrize("scope", ["", CONFIRM_MAILS, "weekly"])
def test_a_suppressed_address_leaves_no_trace(session: Session, now: datetime, random: Any, scope: str) -> None:
    suppress(session, ANN, key=KEY, reason="", scope=scope, now=now)
    assert sign_up(session, "ANN@example.org", now=now, random=random).sends == ()
    assert how_many(session, Subscriber) == 0


def test_signing_up_again_changes_nothing_for_a_reader(session: Session, now: datetime, random: Any) -> None:
    confirmed(session, now, random)
    before = proofs(session)
    assert sign_up(session, ANN, now=now + 40 * DAY, random=random, name="Silly").sends == ()
    assert statuses(session, ANN) == {"weekly": "confirmed"}
    assert proofs(session) == before


def test_a_stranger_renames_no_reader(session: Session, now: datetime, random: Any) -> None:
    confirmed(session, now, random)
    sign_up(session, ANN, "daily", now=now + 2 * DAY, random=random, name="Silly", language="xx")
    person = session.execute(select(table(Subscriber))).one()
    assert (person.name, person.language) == ("", None)


def test_the_latest_name_counts_before_anybody_is_a_reader(session: Session, now: datetime, random: Any) -> None:
    sign_up(session, ANN, now=now, random=random, name="Silly")
    sign_up(session, ANN, now=now, random=random, name=" Ann\nLee ")
    assert session.execute(select(table(Subscriber).c.name)).scalar_one() == "Ann Lee"


def test_what_is_not_told_again_is_kept(session: Session, now: datetime, random: Any) -> None:
    sign_up(session, ANN, now=now, random=random, name="Ann Lee", language="fr")
    sign_up(session, ANN, now=now, random=random)
    person = session.execute(select(table(Subscriber))).one()
    assert (person.name, person.language) == ("Ann Lee", "fr")


def test_one_mail_a_day_and_three_in_thirty_days_over_all_lists(session: Session, now: datetime, random: Any) -> None:
    def mails(at: timedelta, *lists: str) -> int:
        return len(sign_up(session, ANN, *lists, now=now + at, random=random).sends)

    assert mails(0 * DAY) == 1
    assert mails(DAY / 2, "daily") == 0
    assert mails(DAY, "daily") == 1
    assert mails(2 * DAY) == 1
    assert mails(3 * DAY) == 0
    assert mails(29 * DAY, "daily") == 0
    assert mails(30 * DAY) == 1
    assert how_many(session, Confirmation) == 4


def test_a_storm_at_one_address_adds_no_rows(session: Session, now: datetime, random: Any) -> None:
    sign_up(session, ANN, "weekly", "daily", now=now, random=random)
    before = how_many(session, Consent)
    for second in range(50):
        assert sign_up(session, ANN, "weekly", "daily", now=now + timedelta(seconds=second), random=random).sends == ()
    assert (how_many(session, Consent), how_many(session, Confirmation)) == (before, 2)


def test_only_the_latest_mail_works(session: Session, now: datetime, random: Any) -> None:
    numbers = [
        sign_up(session, ANN, now=now + days * DAY, random=random).sends[0].confirmation_id for days in (0, 2, 4)
    ]
    later = now + 5 * DAY
    for number in numbers[:-1]:
        assert confirm(session, claim(session, Purpose.CONFIRM, ANN, number), now=later).outcome == Outcome.STALE
    assert statuses(session, ANN) == {"weekly": "pending"}
    last = claim(session, Purpose.CONFIRM, ANN, numbers[-1])
    assert confirm(session, last, now=later).outcome == Outcome.DONE
    before = proofs(session)
    assert confirm(session, last, now=later + 90 * DAY).outcome == Outcome.DONE
    for number in numbers[:-1]:
        assert confirm(session, claim(session, Purpose.CONFIRM, ANN, number), now=later).outcome == Outcome.STALE
    assert proofs(session) == before


@pytest.mark.parametrize(
    ("after", "outcome"), [(7 * DAY - timedelta(seconds=1), Outcome.DONE), (7 * DAY, Outcome.STALE)]
)
def test_a_confirm_mail_works_for_seven_days(
    session: Session, now: datetime, random: Any, after: timedelta, outcome: Outcome
) -> None:
    (send,) = sign_up(session, ANN, now=now, random=random).sends
    pressed = claim(session, Purpose.CONFIRM, ANN, send.confirmation_id)
    assert confirm(session, pressed, now=now + after).outcome == outcome


def test_an_old_button_brings_nobody_back(session: Session, now: datetime, random: Any) -> None:
    number = confirmed(session, now, random)
    unsubscribe(session, handle(session, ANN), "weekly", method="one-click", now=now)
    assert confirm(session, claim(session, Purpose.CONFIRM, ANN, number), now=now).outcome == Outcome.STALE
    assert statuses(session, ANN) == {"weekly": "unsubscribed"}


def test_whoever_left_comes_back_by_a_new_sign_up(session: Session, now: datetime, random: Any) -> None:
    confirmed(session, now, random)
    unsubscribe(session, handle(session, ANN), "weekly", method="page", now=now + DAY)
    confirmed(session, now + 2 * DAY, random)
    assert statuses(session, ANN) == {"weekly": "confirmed"}
    assert [action for _, action, _ in proofs(session)] == ["asked", "confirmed", "unsubscribed", "asked", "confirmed"]


def test_tokens_of_others_and_made_up_ones_do_nothing(session: Session, now: datetime, random: Any) -> None:
    (send,) = sign_up(session, ANN, now=now, random=random).sends
    sign_up(session, "bob@example.org", now=now, random=random)
    bob, ann = handle(session, "bob@example.org"), handle(session, ANN)
    right = str(send.confirmation_id)
    claims = [
        Claim(Purpose.CONFIRM, bob, right),
        Claim(Purpose.UNSUBSCRIBE, ann, right),
        Claim(Purpose.DECLINE, ann, right),
        *[Claim(Purpose.CONFIRM, ann, number) for number in ("", "0", "-1", "999", "9" * 30, "1e3", "١", "weekly")],
    ]
    assert {confirm(session, one, now=now).outcome for one in claims} == {Outcome.STALE}
    assert statuses(session, ANN) == {"weekly": "pending"}


@pytest.mark.parametrize("method", ["page", "one-click"])
def test_i_did_not_ask(session: Session, now: datetime, random: Any, method: str) -> None:
    (send,) = sign_up(session, ANN, "weekly", "daily", now=now, random=random).sends
    answer = claim(session, Purpose.DECLINE, ANN, send.confirmation_id)
    said = [decline(session, answer, now=now + 9 * DAY, method=method) for _ in range(3)]
    assert {one.outcome for one in said} == {Outcome.DONE}
    assert statuses(session, ANN) == {"weekly": "declined", "daily": "declined"}
    assert proofs(session)[2:] == [("weekly", "declined", method), ("daily", "declined", method)]
    pressed = claim(session, Purpose.CONFIRM, ANN, send.confirmation_id)
    assert confirm(session, pressed, now=now).outcome == Outcome.STALE
    assert sign_up(session, ANN, now=now + 400 * DAY, random=random).sends == ()


def test_i_did_not_ask_ends_no_subscription(session: Session, now: datetime, random: Any) -> None:
    number = confirmed(session, now, random)
    decline(session, claim(session, Purpose.DECLINE, ANN, number), now=now)
    assert statuses(session, ANN) == {"weekly": "confirmed"}
    assert sign_up(session, ANN, "daily", now=now + 2 * DAY, random=random).sends


@pytest.mark.parametrize("text", ["", "ann", "ann@example.org\r\nBcc: eve@example.org", '"a"@example.org'])
def test_no_address_no_rows(session: Session, now: datetime, random: Any, text: str) -> None:
    with pytest.raises(BadAddress):
        sign_up(session, text, now=now, random=random)
    assert how_many(session, Subscriber) == 0


@pytest.mark.parametrize("method", ["page", "one-click", "mail"])
def test_i_did_not_ask_ends_what_only_an_administrator_said(
    session: Session, now: datetime, random: Any, method: str
) -> None:
    """Somebody filled in the form, staff then imported a list with them on it: now they say that they did not ask."""
    (send,) = sign_up(session, ANN, now=now, random=random).sends
    admit(session, SignUp(ANN, ("weekly",), text="a fair"), key=KEY, now=now, random_bytes=random)
    declined = decline(session, claim(session, Purpose.DECLINE, ANN, send.confirmation_id), now=now, method=method)
    assert declined.outcome is Outcome.DONE
    assert statuses(session, ANN) == {"weekly": "declined"}
    assert proofs(session)[-1] == ("weekly", "declined", method)
    assert sign_up(session, ANN, now=now + 9 * DAY, random=random).sends == ()


def test_an_administrator_says_where_consent_came_from(session: Session, now: datetime, random: Any) -> None:
    means = {"key": KEY, "now": now, "random_bytes": random}
    with pytest.raises(NoConsent):
        admit(session, SignUp(ANN, ("weekly",), text="  "), **means)
    paper = SignUp(ANN, ("weekly", "staff", "nosuch"), text="on paper")
    assert admit(session, paper, **means) == {"weekly": "new", "staff": "new"}
    assert admit(session, paper, **means) == {"weekly": "unchanged", "staff": "unchanged"}
    assert proofs(session) == [("weekly", "imported", "command"), ("staff", "imported", "command")]


def test_an_administrator_resurrects_nobody(session: Session, now: datetime, random: Any) -> None:
    means = {"key": KEY, "now": now, "random_bytes": random}
    paper = SignUp(ANN, ("weekly",), text="on paper")
    confirmed(session, now, random)
    unsubscribe(session, handle(session, ANN), "weekly", method="page", now=now)
    assert admit(session, paper, **means) == {"weekly": "left"}
    sign_up(session, ANN, now=now + 2 * DAY, random=random)
    assert admit(session, paper, **means) == {"weekly": "left"}
    suppress(session, ANN, key=KEY, reason="", now=now)
    assert admit(session, paper, **means) == {"weekly": "suppressed"}


def test_an_administrator_confirms_who_is_pending(session: Session, now: datetime, random: Any) -> None:
    sign_up(session, ANN, now=now, random=random)
    means = {"key": KEY, "now": now, "random_bytes": random}
    assert admit(session, SignUp(ANN, ("weekly",), text="on paper"), **means) == {"weekly": "updated"}
    assert statuses(session, ANN) == {"weekly": "confirmed"}


def test_two_sign_ups_at_once_are_one_mail(engine: Engine, now: datetime) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with db.writing(engine) as session:
        make_lists(session, now)

    def one(number: int) -> int:
        def random(size: int) -> bytes:
            return bytes([number]) * size

        with db.writing(engine) as session:
            return len(sign_up(session, ANN, now=now + timedelta(seconds=number), random=random).sends)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(one, range(1, 17))) == 1
    with db.reading(engine) as session:
        assert how_many(session, Confirmation) == 1


def test_randomness_is_asked_for_not_taken(session: Session, now: datetime) -> None:
    sign_up(session, ANN, now=now, random=counting())
    assert handle(session, ANN) == counting()(12)


def choices_of(session: Session, list_id: str) -> dict[str, Any]:
    found = select(table(Subscription).c.choices).where(table(Subscription).c.list_id == list_id)
    return dict(session.execute(found).scalar_one())


def test_what_is_chosen_at_sign_up_is_kept_per_list(session: Session, now: datetime, random: Any) -> None:
    wishes = {"weekly": chosen(sections=["europe", "asia"]), "daily": chosen()}
    (send,) = sign_up(session, ANN, "weekly", "daily", now=now, random=random, choices=wishes).sends
    assert choices_of(session, "weekly") == {"sections": ["asia", "europe"]}
    assert choices_of(session, "daily") == {}
    sign_up(session, ANN, "weekly", now=now, random=random, choices={"weekly": chosen(sections=["asia"])})
    assert choices_of(session, "weekly") == {"sections": ["asia"]}  # while nobody has confirmed, the latest counts
    sign_up(session, ANN, "weekly", now=now, random=random)
    assert choices_of(session, "weekly") == {"sections": ["asia"]}
    confirm(session, claim(session, Purpose.CONFIRM, ANN, send.confirmation_id), now=now)
    sign_up(session, ANN, "weekly", now=now + DAY, random=random, choices=wishes)
    assert choices_of(session, "weekly") == {"sections": ["asia"]}  # a stranger chooses nothing for a reader
    unsubscribe(session, handle(session, ANN), "weekly", method="page", now=now + DAY)
    sign_up(session, ANN, "weekly", now=now + 2 * DAY, random=random, choices=wishes)
    assert choices_of(session, "weekly") == {"sections": ["asia", "europe"]}
