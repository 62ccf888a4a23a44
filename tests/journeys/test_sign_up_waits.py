"""Whoever signs up while the relay is down is asked once it is back, once (S-B8)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from mailbox import Mailbox
from pathlib import Path

import pytest
from desk import free_port, newsroom, until
from sqlalchemy import select
from webhost import status_of

from digest import db
from digest.models import Delivery, table
from digest.web.stamp import stamp
from subscribers.tokens import KeyRing

SECRET = KeyRing("k" * 40)  # of the newsroom that desk makes


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_confirm_mail_waits_in_the_ledger_while_the_relay_is_down(database_url: str, tmp_path: Path) -> None:
    port = free_port()  # where nobody listens yet
    desk = newsroom(tmp_path / "desk", database_url, port)
    engine = db.open_engine(database_url)
    row = table(Delivery).c

    def ledger() -> list[tuple[str, str]]:
        with db.reading(engine) as session:
            found = session.execute(select(row.occasion, row.state))
            return [(one.occasion.partition(":")[0], one.state) for one in found]

    shown = stamp(SECRET, datetime.now(UTC) - timedelta(seconds=10))
    form = {"email": "ann@example.org", "list": "weekly", "name": "", "website": "", "shown": shown}
    with desk.serving() as web:
        answer = web.post("/subscribe", data=form)
        assert (answer.status_code, "Now look at your mail" in answer.text) == (200, True)
        until("relay that is told to be away", lambda: desk.json("relays", "list")["relays"][0]["state"] == "down")
        ((occasion, state),) = ledger()
        assert (occasion, state in ("pending", "claimed")) == ("confirm", True)
        assert web.post("/subscribe", data=form).text == answer.text
        assert status_of(engine, "ann@example.org") == "pending"
        with Mailbox(port=port) as box:
            (mail,) = until("confirm mail", lambda: box.to("ann@example.org"))
            assert mail.header("Subject") == "Please confirm: The Weekly Round-up"
            until("end of it in the ledger", lambda: ledger() == [("confirm", "sent")])
            path = re.search(r"/confirm/[\w-]+", mail.raw.decode())
            assert path
            assert web.get(path[0]).status_code == 200
        assert len(box.messages) == 1
    engine.dispose()
