"""The timetable as a process: what is due leaves by itself, once; what was missed is kept for a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from mailbox import Mailbox
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, back_to_yesterday, feed, newsroom, until
from feedserver import FeedServer

EDITION = 'schedule = "{schedule}"\ndraft_h = 1\ntimezone = "UTC"\n\n[staff]\nnotify = ["editor@example.org"]\n'
PEOPLE = ["ann@example.org", "bob@example.com"]


def cron(at: datetime) -> str:
    """The line for that minute of every day."""
    return f"{at.minute} {at.hour} * * *"


def ready(folder: Path, database: str, box: Mailbox, server: FeedServer, schedule: str) -> Desk:
    desk = newsroom(folder, database, box.port, more=EDITION.format(schedule=schedule))
    server.page("paper.localhost", "/feed", feed("Harbour bridge closed", "Rain ends a dry year"))
    desk.source("paper", server.url("paper.localhost", "/feed"))
    desk.people(PEOPLE)
    return desk


def issues(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.json("issues", "list")["issues"]
    return found


def readers(box: Mailbox) -> list[str]:
    """Who got an issue, as opposed to a notice."""
    return sorted(got.rcpt for got in box.messages if got.header("List-Id"))


@pytest.mark.slow  # a timetable counts in minutes
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_serve_drafts_and_sends_at_its_minute_and_once(database_url: str, tmp_path: Path) -> None:
    with FeedServer() as server, Mailbox() as box:
        # Twenty seconds are for the commands before it.
        minute = (datetime.now(UTC) + timedelta(seconds=80)).replace(second=0, microsecond=0)
        desk = ready(tmp_path / "desk", database_url, box, server, cron(minute))
        with desk.serving():
            until("notice of the draft", lambda: box.to("editor@example.org"), seconds=60)
            drafted = box.to("editor@example.org")[0]
            until("issue to everybody", lambda: readers(box) == PEOPLE, seconds=90)
            assert datetime.now(UTC) >= minute
        assert drafted.header("Subject") == "Draft ready: weekly"
        assert drafted.at <= minute.timestamp()
        assert [one["state"] for one in issues(desk)] == ["sent"]
        with desk.serving() as web:
            assert web.get("/archive/weekly/1").status_code == 200
        assert [one["state"] for one in issues(desk)] == ["sent"]
        assert readers(box) == PEOPLE


def test_a_slot_missed_by_more_than_the_grace_is_held_and_reported(database_url: str, tmp_path: Path) -> None:
    with FeedServer() as server, Mailbox() as box:
        missed = (datetime.now(UTC) - timedelta(hours=8)).replace(second=0, microsecond=0)
        desk = ready(tmp_path / "desk", database_url, box, server, cron(missed))
        with desk.serving():
            until("timetable that has begun", lambda: back_to_yesterday(database_url))
        with desk.serving():
            notice = until("notice to staff", lambda: box.to("editor@example.org"))[0]
        assert notice.header("Subject") == f"Held: weekly of {missed:%Y-%m-%d %H:%M}"
        assert [one["state"] for one in issues(desk)] == ["held"]
        assert readers(box) == []
        # A person decides: it goes out late.
        assert desk.json("issues", "send", "--yes")["issue"]["state"] == "sent"
        assert readers(box) == PEOPLE
