"""digest relays: list, pause, resume."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from commands import Shell

from digest import db
from digest.deliver.pacing import memory
from digest.deliver.pacing.board import Wish
from digest.deliver.pacing.breaker import Standing
from digest.deliver.pacing.pace import Slowed

RELAYS = """
[[relays]]
name = "main"
host = "127.0.0.1"
port = 1025
security = "none"
per_day = 1000

[[relays]]
name = "spare"
host = "127.0.0.1"
port = 1026
security = "none"
weight = 0

[[pace]]
domains = ["gmail.com", "googlemail.com"]
per_second = 5
"""


@pytest.fixture
def relays(shell: Shell) -> Shell:
    path = shell.folder / "config.toml"
    path.write_text(path.read_text() + RELAYS)
    return shell


def test_relays_are_listed_with_what_ails_them(relays: Shell) -> None:
    assert relays("relays", "list").code == 0  # makes the database
    now = datetime.now(UTC)
    engine = db.open_engine(f"sqlite:///{relays.folder / 'digest.db'}")
    with db.writing(engine) as session:
        memory.take(session, Wish("main", "", now.date().isoformat(), 1000, 50))
        refused = Standing(False, "log-in", "535 5.7.8 no", now.timestamp(), now.timestamp() + 5, 1)
        memory.keep(session, ("main", ""), refused, None)
        policy = Standing(False, "policy", "550 5.7.26 no", now.timestamp(), now.timestamp() + 600, 1)
        memory.keep(session, ("spare", "gmail.com"), policy, None)
        memory.keep_slowed(session, {"yahoo.com": Slowed(2.0, 10.0)}, [], now)
    engine.dispose()
    listed = relays.process("relays", "list", "--json").json
    main, spare = listed["relays"]
    assert (main["state"], main["cause"], main["today"], main["allowed_today"]) == ("down", "log-in", 50, 1000)
    assert main["sentence"].startswith('relay main: it refuses our log-in ("535 5.7.8 no"); tried again at ')
    assert (spare["state"], spare["domains"][0]["domain"], spare["domains"][0]["cause"]) == (
        "up",
        "gmail.com",
        "policy",
    )
    assert [(one["domains"], one["per_second"], one["slowed_to"]) for one in listed["pace"]] == [
        (["gmail.com", "googlemail.com"], 5.0, None),
        (["yahoo.com"], None, 2.0),
    ]
    shown = relays("relays", "list").out
    assert "50 of 1,000" in shown
    assert "digest relays resume spare --domain gmail.com" in shown


def test_a_relay_is_paused_and_resumed(relays: Shell) -> None:
    paused = relays("relays", "pause", "main", "--why", "new certificate")
    assert paused.out == "Relay main: paused by hand: new certificate; digest relays resume main lets it go on.\n"
    assert relays("relays", "pause", "main").code == 3
    assert relays("relays", "list", "--json").json["relays"][0]["state"] == "paused"
    assert relays("relays", "resume", "main").out == "Relay main goes on.\n"
    again = relays("relays", "resume", "main")
    assert (again.code, again.err) == (3, "relay main is not paused\n")


def test_a_domain_is_paused_by_any_name_of_its_group(relays: Shell) -> None:
    assert relays("relays", "pause", "main", "--domain", "GoogleMail.com").code == 0
    [domain] = relays("relays", "list", "--json").json["relays"][0]["domains"]
    assert (domain["domain"], domain["state"]) == ("gmail.com", "paused")
    resumed = relays.process("relays", "resume", "main", "--domain", "gmail.com", "--json")
    assert resumed.json == {"relay": "main", "domain": "gmail.com", "state": "up"}
    assert relays("relays", "list", "--json").json["relays"][0]["domains"] == []


def test_an_unknown_relay_is_named(relays: Shell) -> None:
    answer = relays("relays", "resume", "mian")
    assert (answer.code, answer.err) == (2, 'there is no relay "mian" in the settings (main, spare)\n')


def test_without_relays_the_list_says_where_they_belong(shell: Shell) -> None:
    assert "[[relays]]" in shell("relays", "list").out
