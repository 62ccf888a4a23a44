"""The app is opened on a database that is made, brought up to date, or refused."""

from __future__ import annotations

import itertools
import stat
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from digest import db, wiring
from digest.config import Config, DatabaseConfig, ListConfig, MailConfig, SiteConfig, WebConfig
from digest.errors import DatabaseUnavailable
from digest.instance import instance

EMPTY = Config(SiteConfig("Example", "https://example.org"), MailConfig("news@example.org"))


def on(url: str) -> Config:
    return replace(EMPTY, database=DatabaseConfig(url), lists=(ListConfig("weekly", "Weekly", line=1),))


def test_the_first_start_makes_everything(database_url: str, now: datetime) -> None:
    with wiring.opened(on(database_url), clock=lambda: now) as app:
        assert db.version(app.engine) == db.versions()[-1]
        assert (app.instance.created_at, len(app.instance.message_key)) == (now, 32)
        assert app.clock() == now
        assert app.said == ()


def test_the_keys_are_made_once(database_url: str) -> None:
    keys = []
    for _ in range(2):
        with wiring.opened(on(database_url)) as app:
            keys.append((app.instance.name, app.instance.message_key, app.instance.suppression_key))
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 3


def test_two_first_calls_agree_on_one_instance(engine: Engine, now: datetime) -> None:
    numbers = itertools.count(1)
    names: list[str] = []

    def call() -> None:
        with db.writing(engine) as session:
            names.append(instance(session, now, lambda size: next(numbers).to_bytes(size, "big")).name)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 4
    assert len(set(names)) == 1


def test_a_newer_database_is_refused(database_url: str) -> None:
    with wiring.opened(on(database_url)) as app, app.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with (
        pytest.raises(DatabaseUnavailable, match=r"schema 9999.*: upgrade the program"),
        wiring.opened(on(database_url)),
    ):
        pass


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "digest.db").write_text("hello " * 1000)
    with (
        pytest.raises(DatabaseUnavailable, match="not a database"),
        wiring.opened(on(f"sqlite:///{tmp_path}/digest.db")),
    ):
        pass


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="nowhere"), wiring.opened(on(f"sqlite:///{tmp_path}/nowhere/d.db")):
        pass


def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    with wiring.opened(on(f"sqlite:///{tmp_path}/digest.db")) as app, app.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_links_carry_the_prefix_and_the_key_ring(tmp_path: Path) -> None:
    web = WebConfig(public_url="https://example.org", path_prefix="/news", secret="s" * 32, old_secrets=("o" * 32,))
    links = wiring.links(replace(EMPTY, web=web))
    assert links.archive() == "https://example.org/news/archive"
    assert (links.keys.secret, links.keys.old) == ("s" * 32, ("o" * 32,))


def test_a_newsrooms_own_templates_come_first(tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "email"
    folder.mkdir(parents=True)
    (folder / "own.txt.j2").write_text("Hello {{ name }}")
    config = replace(on(f"sqlite:///{tmp_path}/digest.db"), path=tmp_path / "config.toml")
    with wiring.opened(config) as app:
        assert app.templates.text("own", {"name": "you"}).strip() == "Hello you"
