"""A database sends from where it was adopted, and from nowhere else; an honest restart never notices."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from office import open_office, rows
from post import AT, config
from sqlalchemy import Engine, text, update

from digest import db
from digest.cli.db import _copy_sqlite
from digest.config import Config, DatabaseConfig, WebConfig
from digest.deliver import ledger
from digest.deliver.run import enqueue_issue
from digest.deliver.seats import places
from digest.deliver.seats import run as seats
from digest.errors import NotAdopted
from digest.models import Delivery, Seat, table

PUBLIC = WebConfig(public_url="https://news.review.example")


def settings(state: Path | None = None) -> Config:
    return replace(config(), database=DatabaseConfig(state=str(state) if state else None))


def start(engine: Engine, how: Config | None = None, at: datetime = AT) -> None:
    """What a sender does at its start; its stop counts on once more."""
    seats.check(engine, how or settings(), at)
    seats.count_on(engine, how or settings(), at)


def refusal(engine: Engine, how: Config | None = None) -> str:
    with pytest.raises(NotAdopted) as told:
        seats.check(engine, how or settings(), AT)
    return str(told.value)


def epochs(engine: Engine) -> list[int]:
    with db.reading(engine) as session:
        return [row.epoch for row in session.execute(text("SELECT epoch FROM seat"))]


def on_another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """The files by which a machine knows itself are another's."""
    (tmp_path / name).write_text(name)
    monkeypatch.setattr(places, "_MACHINE_IDS", (tmp_path / name,))
    monkeypatch.setattr(places, "_CONTAINER_SIGNS", ())


def test_the_first_sender_takes_the_seat_and_every_restart_keeps_it(engine: Engine, tmp_path: Path) -> None:
    open_office(engine, 3)
    how = settings(tmp_path)
    for number in range(1, 5):
        start(engine, how)
        assert epochs(engine) == [number + 1]
        assert list(places.read_note(tmp_path / "digest.seat").epochs.values()) == [number + 1]


def test_a_crash_between_the_commit_and_the_file_is_no_copy(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_office(engine, 3)
    on_another_machine(monkeypatch, tmp_path, "machine")
    how = settings(tmp_path)
    start(engine, how)
    with db.writing(engine) as session:
        session.execute(update(table(Seat)).values(epoch=Seat.epoch + 1))  # committed, and the process died
    start(engine, how)
    assert epochs(engine) == [4]
    (tmp_path / "digest.seat").write_text('{"wo')  # torn by a disk that lies
    start(engine, how)


def test_a_file_that_can_not_be_written_stops_nobody(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_office(engine, 3)
    how = settings(tmp_path / "nowhere")
    start(engine, how)
    start(engine, how)
    assert "[database] state names a folder" in caplog.text


def test_an_older_copy_put_back_in_the_same_place_is_known_by_its_age(engine: Engine, tmp_path: Path) -> None:
    open_office(engine, 3)
    how = settings(tmp_path)
    start(engine, how)
    older = epochs(engine)[0]
    start(engine, how)
    with db.writing(engine) as session:
        session.execute(update(table(Seat)).values(epoch=older))  # all of the database is as it was then
    assert "a backup that was put back" in refusal(engine, how)
    seats.adopt(engine, how, AT, lambda session, before: None)
    start(engine, how)


def test_another_machine_on_the_same_database_is_adopted_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    open_office(engine, 3)
    on_another_machine(monkeypatch, tmp_path, "first")
    start(engine)
    on_another_machine(monkeypatch, tmp_path, "second")
    assert "no mail was ever sent from it on this machine" in refusal(engine)
    seats.check_no_copy(engine, settings())  # it may prepare what others send
    before = seats.adopt(engine, settings(), AT, lambda session, before: None)
    assert before.joins
    start(engine)
    on_another_machine(monkeypatch, tmp_path, "first")
    start(engine)
    engine.dispose()


def test_where_something_was_handed_and_no_seat_is_known_nobody_sits_down(engine: Engine) -> None:
    open_office(engine, 3)
    enqueue_issue(engine, config(), 12, AT)
    with db.writing(engine) as session:
        session.execute(update(table(Delivery)).values(state="handed", handed_at=AT))
    assert "does not say where from" in refusal(engine)


def test_a_public_address_that_changed_asks_once(engine: Engine) -> None:
    open_office(engine, 3)
    start(engine)  # while the pages are on this machine only
    start(engine, replace(settings(), web=PUBLIC))  # the newsroom goes public
    assert "[web] public_url is not the one" in refusal(engine)
    other = WebConfig(public_url="https://staging.review.example")
    assert "[web] public_url is not the one" in refusal(engine, replace(settings(), web=other))
    start(engine, replace(settings(), web=PUBLIC))


def in_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sign").touch()
    monkeypatch.setattr(places, "_CONTAINER_SIGNS", (tmp_path / "sign",))


def test_a_container_made_anew_around_its_volume_is_the_same_place(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_office(engine, 3)
    on_another_machine(monkeypatch, tmp_path, "image-1")
    in_a_container(monkeypatch, tmp_path)
    (volume := tmp_path / "volume").mkdir()
    start(engine, settings(volume))
    on_another_machine(monkeypatch, tmp_path, "image-2")
    in_a_container(monkeypatch, tmp_path)
    start(engine, settings(volume))
    (volume / "digest.seat").unlink()  # another volume, another place
    assert "digest adopt" in refusal(engine, settings(volume))


def test_a_container_without_a_volume_is_no_stranger_to_its_server(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_office(engine, 3)
    in_a_container(monkeypatch, tmp_path)
    start(engine)
    start(engine)


# Everything below happens to files.


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a database that has sent; nobody has it open."""
    on_another_machine(monkeypatch, tmp_path, "machine")
    (folder := tmp_path / "site").mkdir()
    file = folder / "digest.db"
    with_engine(file, lambda engine: open_office(engine, 3))
    with_engine(file, start)
    return file


def with_engine(file: Path, work: Callable[[Engine], object]) -> None:
    engine = db.open_engine(f"sqlite:///{file}")
    db.upgrade(engine)
    work(engine)
    engine.dispose()


def copied_file(original: Path) -> Path:
    return Path(shutil.copy2(original, original.with_name("copy.db")))


def copied_folder(original: Path) -> Path:
    return Path(shutil.copytree(original.parent, original.parent.with_name("clone"))) / original.name


def replaced_by_its_copy(original: Path) -> Path:
    copied_file(original).replace(original)
    return original


def overwritten_by_its_backup(original: Path) -> Path:
    _copy_sqlite(original, original.with_name("backup.db"), lambda label, done, total: None)
    original.write_bytes(original.with_name("backup.db").read_bytes())
    return original


def overwritten_by_an_older_copy(original: Path) -> Path:
    older = original.read_bytes()
    with_engine(original, start)
    original.write_bytes(older)
    return original


@pytest.mark.parametrize(
    ("copied", "said"),
    [
        (copied_file, "lay elsewhere or in another file"),
        (copied_folder, "lay elsewhere or in another file"),
        (replaced_by_its_copy, "lay elsewhere or in another file"),
        (overwritten_by_its_backup, "a copy that `digest db backup` made"),
        (overwritten_by_an_older_copy, "a backup that was put back"),
    ],
)
def test_a_copied_file_sends_nothing_before_it_is_adopted(
    original: Path, copied: Callable[[Path], Path], said: str
) -> None:
    file = copied(original)
    with_engine(file, lambda engine: refusal(engine).index(said))
    with_engine(file, lambda engine: seats.adopt(engine, settings(), AT, lambda session, before: None))
    with_engine(file, start)
    if file != original:
        with_engine(original, start)


def test_a_file_on_a_new_machine_is_a_copy(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_another_machine(monkeypatch, tmp_path, "another")
    with_engine(original, lambda engine: refusal(engine).index("on this machine"))


def test_a_backup_of_a_database_that_never_sent_is_one_all_the_same(tmp_path: Path) -> None:
    with_engine(tmp_path / "digest.db", lambda engine: open_office(engine, 3))
    _copy_sqlite(tmp_path / "digest.db", tmp_path / "backup.db", lambda label, done, total: None)
    with_engine(tmp_path / "backup.db", lambda engine: refusal(engine).index("digest db backup"))


def test_the_number_is_on_disk_before_the_file_says_so_with_any_synchronous(tmp_path: Path) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path / 'digest.db'}", "normal")
    db.upgrade(engine)
    open_office(engine, 3)
    start(engine)
    # What a power cut leaves, at worst: the file and its log as they are on disk now.
    for part in ("digest.db", "digest.db-wal"):
        shutil.copy(tmp_path / part, tmp_path / f"after-{part}")
    with sqlite3.connect(tmp_path / "after-digest.db") as after:
        assert after.execute("SELECT epoch FROM seat").fetchone() == (2,)
    after.close()
    engine.dispose()


def test_a_dump_restored_on_the_same_server_is_a_copy(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("about a server's tables")
    engine = db.open_engine(database_url)
    db.upgrade(engine)
    open_office(engine, 3)
    start(engine)
    with engine.begin() as connection:  # what pg_restore --clean does
        for statement in (
            "ALTER TABLE seat RENAME TO old_seat",
            "CREATE TABLE seat (LIKE old_seat INCLUDING ALL)",
            "INSERT INTO seat SELECT * FROM old_seat",
            "DROP TABLE old_seat CASCADE",
        ):
            connection.execute(text(statement))
    assert "it is a copy, or was moved" in refusal(engine)
    engine.dispose()


def test_only_the_allowed_domains_get_mail_and_nobody_is_lost(engine: Engine) -> None:
    open_office(engine, ["a@example.org", "b@example.com", "c@sub.example.org"])
    enqueue_issue(engine, config(), 12, AT)
    with db.writing(engine) as session:
        taken = ledger.next_slice(session, "me", AT, "resend", only_to=("example.org",))
        assert taken is not None
        assert [work.address for work in taken[1]] == ["a@example.org"]
        ledger.release(session, taken[0], AT)
    found = rows(engine)
    assert {who: row.state for who, row in found.items()} == {
        "a@example.org": "pending",
        "b@example.com": "held",
        "c@sub.example.org": "held",
    }
    assert found["b@example.com"].reason == ledger.PINNED
    later = AT + timedelta(minutes=1)
    with db.writing(engine) as session:
        assert ledger.decide_held(session, found["b@example.com"].id or 0, ledger.S.PENDING, later)
        again = ledger.next_slice(session, "me", later, "resend")
        assert again is not None
        assert {work.address for work in again[1]} == {"a@example.org", "b@example.com"}
