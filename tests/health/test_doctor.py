"""What the doctor says of relays, keys, DNS, database and settings: real servers, nothing sent, nothing told."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from mailbox import Mailbox
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from desk import environment, free_port, newsroom
from nameserver import NameServer
from office import open_office
from post import AT, config
from sqlalchemy import Engine, update

from digest import db
from digest.config import Config, DatabaseConfig, DkimConfig, EditionConfig, RelayConfig, WebConfig
from digest.deliver.dkim import Key, read_key
from digest.deliver.seats import run as seats
from digest.doctor import records, run, settings
from digest.doctor.findings import Finding, Level
from digest.models import Seat, table

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Key("review.example", "digest", ed25519.Ed25519PrivateKey.from_private_bytes(b"o" * 32)).record
OURS = Key("review.example", "digest", KEY)
WHOLE = {
    "digest._domainkey.review.example": [OURS.record],
    "review.example": ["some-verification=1", "v=spf1 ip4:192.0.2.1 -all"],
    "_dmarc.review.example": ["v=DMARC1; p=reject"],
}


def pem(private: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signed(folder: Path, how: Config, mode: int = 0o600) -> Config:
    file = folder / "dkim.pem"
    file.write_bytes(pem(KEY))
    file.chmod(mode)
    return replace(how, dkim=(DkimConfig("review.example", "digest", file),))


def examined(engine: Engine, how: Config, dns: NameServer, **more: object) -> list[Finding]:
    how = replace(how, database=DatabaseConfig(engine.url.render_as_string(hide_password=False)))
    working = run.examine(how, engine, now=datetime.now(UTC), nameserver=dns.address, **more)  # type: ignore[arg-type]
    return asyncio.run(working)


def told(found: list[Finding], level: Level) -> list[str]:
    return [f"{one.where}: {one.what}" for one in found if one.level is level]


def test_all_is_well(engine: Engine, tmp_path: Path) -> None:
    open_office(engine, 3)
    with Mailbox() as box, NameServer(WHOLE) as dns:
        how = signed(tmp_path, config(box.relay()))
        how = replace(how, web=WebConfig(public_url="https://news.review.example", secret="s" * 40))
        found = examined(engine, how, dns)
    assert told(found, Level.FAILURE) == []
    assert any("spoken to chunked" in line for line in told(found, Level.OK))
    assert "DNS digest._domainkey.review.example: equals the key that we sign with" in told(found, Level.OK)
    assert "mail from review.example: is signed for its own domain" in told(found, Level.OK)
    assert "seat: nothing was sent so far" in told(found, Level.OK)
    assert (box.stages["mail"], box.messages) == (0, [])
    assert all(one.mend for one in found if one.level is not Level.OK)
    assert all(not one.mend for one in found if one.level is Level.OK)


@pytest.mark.parametrize(
    ("caption", "texts", "level", "said"),
    [
        ("ours", [OURS.record], Level.OK, "equals the key"),
        (
            "ours, in pieces and with spaces",
            [OURS.record.replace("; ", ";").replace("fYw", "fY w")],
            "ok",
            "",
        ),
        ("somebody else's", [OTHER], Level.FAILURE, "not the one that we sign with"),
        ("revoked", ["v=DKIM1; k=ed25519; p="], Level.FAILURE, "was revoked"),
        ("of another kind", [OURS.record.replace("ed25519", "rsa")], Level.FAILURE, "not the one"),
        ("none", [], Level.FAILURE, "there is no DKIM record"),
        ("two", [OURS.record, OTHER], Level.FAILURE, "2 DKIM records"),
        ("on trial", [OURS.record + "; t=y"], Level.WARNING, "t=y"),
        ("no answer", None, Level.WARNING, "did not answer"),
    ],
)
def test_a_published_key(caption: str, texts: list[str] | None, level: str, said: str) -> None:
    found = records.dkim(OURS, texts)
    assert (found.level, said in found.what) == (level, True), found


def test_a_weak_key_is_named() -> None:
    weak = read_key("review.example", "old", pem(rsa.generate_private_key(65537, 1024)))
    assert "1024 bits" in records.dkim(weak, [weak.record]).what


@pytest.mark.parametrize(
    ("caption", "texts", "level"),
    [
        ("one", ["v=spf1 -all"], Level.OK),
        ("none", ["v=spf10 -all"], Level.WARNING),
        ("two", ["v=spf1 -all", "V=SPF1 ~all"], Level.FAILURE),
        ("everybody", ["v=spf1 mx +all"], Level.WARNING),
        ("everybody, shorter", ["v=spf1 mx all"], Level.WARNING),
        ("no answer", None, Level.WARNING),
    ],
)
def test_spf(caption: str, texts: list[str] | None, level: Level) -> None:
    assert records.spf("review.example", texts).level is level


@pytest.mark.parametrize(
    ("caption", "holder", "texts", "level", "policy"),
    [
        ("its own", "a.b.example", ["v=DMARC1; p=Reject"], Level.OK, "reject"),
        ("its parent's", "b.example", ["v=DMARC1; p=reject; sp=quarantine"], Level.OK, "quarantine"),
        ("its parent's alone", "b.example", ["v=DMARC1; p=reject"], Level.OK, "reject"),
        ("none", "a.b.example", ["hello"], Level.WARNING, ""),
        ("two", "a.b.example", ["v=DMARC1; p=none", "v=DMARC1; p=none"], Level.FAILURE, ""),
    ],
)
def test_dmarc(caption: str, holder: str, texts: list[str], level: Level, policy: str) -> None:
    found, asked = records.dmarc("a.b.example", (holder, texts))
    assert (found.level, asked) == (level, policy)


@pytest.mark.parametrize(
    ("caption", "policy", "signed", "bounces", "level"),
    [
        ("signed", "reject", True, "other.example", Level.OK),
        ("spf of a part of it", "reject", False, "bounce.review.example", Level.WARNING),
        ("spf of another, and receivers are told", "reject", False, "other.example", Level.FAILURE),
        ("spf of another, and they are not", "none", False, "other.example", Level.WARNING),
    ],
)
def test_alignment(caption: str, policy: str, signed: bool, bounces: str, level: Level) -> None:
    assert records.alignment("review.example", policy, signed, bounces).level is level


def test_the_policy_of_a_parent_is_found_and_silence_is_no_absence(engine: Engine, tmp_path: Path) -> None:
    open_office(engine, 3)
    how = replace(config(), mail=replace(config().mail, sender="News <n@post.review.example>"))
    silent = frozenset({"post.review.example"})
    with NameServer(WHOLE, silent) as dns:
        found = examined(engine, how, dns)
    assert "DNS _dmarc.review.example: asks receivers for p=reject" in told(found, Level.OK)
    assert "DNS post.review.example: the name server did not answer" in told(found, Level.WARNING)


def test_a_key_that_others_may_read_is_refused(engine: Engine, tmp_path: Path) -> None:
    open_office(engine, 3)
    with NameServer(WHOLE) as dns:
        found = examined(engine, signed(tmp_path, config(), 0o640), dns)
    (failure,) = [line for line in told(found, Level.FAILURE) if "dkim.pem" in line]
    assert "mode 0640" in failure and "chmod 600" in failure


# Relays


def relayed(engine: Engine, relay: RelayConfig, **more: object) -> list[str]:
    with NameServer({}) as dns:
        found = examined(engine, config(relay), dns, **more)
    return [f"{one.level}: {one.what} {one.mend}" for one in found if one.where == '[[relays]] "box"']


def test_a_port_where_nobody_listens(engine: Engine) -> None:
    open_office(engine, 3)
    (said,) = relayed(engine, RelayConfig("box", "127.0.0.1", free_port(), "none"))
    assert said.startswith("failure: 127.0.0.1:") and "nobody listens there" in said


def test_a_name_that_is_none(engine: Engine) -> None:
    open_office(engine, 3)
    (said,) = relayed(engine, RelayConfig("box", f"{'a' * 64}.example", 465))  # needs no name server to be told
    assert said.startswith("failure: aaaa") and "is not found" in said


def test_a_relay_that_never_speaks_ends_with_the_deadline(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "DEADLINE_S", 1.0)
    open_office(engine, 3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (said,) = relayed(engine, RelayConfig("box", "127.0.0.1", silent.getsockname()[1], "none"))
    assert said.startswith("warning: no answer within 1 seconds")


def test_a_server_without_starttls(engine: Engine) -> None:
    open_office(engine, 3)
    with Mailbox() as box:
        (said,) = relayed(engine, box.relay(security="starttls"))
    assert "failure" in said and "STARTTLS" in said


def test_a_relay_too_narrow_for_our_issues(engine: Engine) -> None:
    open_office(engine, 3)
    with Mailbox(extensions=("PIPELINING", "SIZE 100")) as box:
        said = relayed(engine, box.relay())
    assert any(line.startswith("failure: takes messages of 100 octets") for line in said)
    assert any("spoken to pipelined" in line for line in said)


@contextmanager
def tls_server(name: str, authority: trustme.CA, until: datetime, *, password: str = "right") -> Iterator[int]:
    """The port of a server that speaks TLS and wants a log-in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=until).configure_cert(context)
    good = base64.b64encode(f"\0me\0{password}".encode())

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            fits = line.split()[-1] == good
            answers = {
                b"EHLO": b"250-here\r\n250 AUTH PLAIN",
                b"QUIT": b"221 bye",
                b"AUTH": b"235 ok" if fits else b"535 no",
            }
            writer.write(answers.get(verb, b"502 what?") + b"\r\n")
            if verb == b"QUIT":
                break
        writer.close()

    import threading

    loop, ports = asyncio.new_event_loop(), []
    server = loop.run_until_complete(asyncio.start_server(talk, "127.0.0.1", 0, ssl=context))
    ports.append(server.sockets[0].getsockname()[1])
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield ports[0]
    finally:

        def end() -> None:
            server.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_later(0.1, loop.stop)

        loop.call_soon_threadsafe(end)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.mark.parametrize(
    ("caption", "name", "days", "trusted", "password", "said"),
    [
        ("all well", "localhost", 90, True, "right", "ok: logged in"),
        ("soon over", "localhost", 5, True, "right", "warning: TLSv1.3, certificate verified"),
        ("over", "localhost", -1, True, "right", "certificate has expired"),
        ("another name", "other.example", 90, True, "right", "its certificate is not trusted: Hostname mismatch"),
        ("another authority", "localhost", 90, False, "right", "its certificate is not trusted: unable to get local"),
        ("another password", "localhost", 90, True, "wrong", "does not let us log in (535)"),
    ],
)
def test_certificates_and_log_ins(
    tmp_path: Path, caption: str, name: str, days: int, trusted: bool, password: str, said: str
) -> None:
    engine = db.open_engine(f"sqlite:///{tmp_path / 'digest.db'}")
    db.upgrade(engine)
    authority, client = trustme.CA(), ssl.create_default_context()
    if trusted:
        authority.configure_trust(client)
    with tls_server(name, authority, datetime.now(UTC) + timedelta(days=days)) as port:
        relay = RelayConfig("box", "localhost", port, "tls", username="me", password=password)
        lines = relayed(engine, relay, tls=client)
    assert any(said in line for line in lines), lines
    assert not any(password in line for line in lines if password == "wrong")
    engine.dispose()


# Database and settings


def test_a_copy_that_was_not_adopted_is_a_failure(engine: Engine) -> None:
    open_office(engine, 3)
    seats.check(engine, config(), AT)
    with db.writing(engine) as session:
        session.execute(update(table(Seat)).values(database="elsewhere", seen_at=AT))
    with NameServer({}) as dns:
        found = examined(engine, config(), dns)
    assert any(line.startswith("seat: nothing is sent from here") for line in told(found, Level.FAILURE))


def test_a_clock_behind_what_the_database_has_seen(engine: Engine) -> None:
    open_office(engine, 3)
    seats.check(engine, config(), datetime.now(UTC) + timedelta(days=400))
    with NameServer({}) as dns:
        found = examined(engine, config(), dns)
    assert any(line.startswith("clock: it is") for line in told(found, Level.FAILURE))


def test_segments_that_mean_nobody_or_no_issue(engine: Engine) -> None:
    open_office(engine, 3)
    asked = ("email begins reader1", "tag = board", "missed weekly 12", "missed weekly 14", "got weakly")
    editions = tuple(EditionConfig(f"e{n}", "weekly", "E", segment=text) for n, text in enumerate(asked))
    with NameServer(WHOLE) as dns:
        found = examined(engine, replace(config(), editions=editions), dns)
    said = [(one.where[-10:-9], one.level.value, one.what) for one in found if one.where.endswith(" segment")]
    assert said == [
        ("0", "ok", "means 1 of the 3 on its list"),
        ("1", "warning", "means 0 of the 3 on its list"),
        ("2", "ok", "means 3 of the 3 on its list"),
        ("3", "failure", 'the edition "weekly" has no issue 14'),
        ("4", "failure", 'there is no edition "weakly"; its id stands in config.toml'),
    ]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "digest.db"
    engine = db.open_engine(f"sqlite:///{file}")
    db.upgrade(engine)
    open_office(engine, 2000)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    octets = bytearray(file.read_bytes())
    octets[-200_000:] = b"\x55" * 200_000
    file.write_bytes(octets)
    with NameServer({}) as dns:
        found = examined(engine, config(), dns)
    assert any("is damaged" in line or "can't be read" in line for line in told(found, Level.FAILURE))
    engine.dispose()


def test_no_database_and_an_old_schema(tmp_path: Path) -> None:
    how = replace(config(), database=DatabaseConfig(f"sqlite:///{tmp_path / 'none.db'}"))
    engine = db.open_engine(how.database.url)
    with NameServer({}) as dns:
        found = asyncio.run(run.examine(how, engine, now=AT, nameserver=dns.address))
        assert any("there is no database at" in line for line in told(found, Level.FAILURE))
        (tmp_path / "none.db").touch()
        found = asyncio.run(run.examine(how, engine, now=AT, nameserver=dns.address))
    assert any("has schema none" in line for line in told(found, Level.FAILURE))
    engine.dispose()


@pytest.mark.parametrize(
    ("caption", "version", "level"),
    [
        ("old", (3, 11, 14), Level.WARNING),
        ("mended", (3, 11, 15), Level.OK),
        ("old", (3, 13, 11), Level.WARNING),
        ("mended", (3, 14, 3), Level.OK),
        ("newer than we know", (3, 15, 0), Level.OK),
    ],
)
def test_the_interpreter(caption: str, version: tuple[int, int, int], level: Level) -> None:
    assert next(one for one in settings.examine(config(), version) if one.where == "Python").level is level


def test_settings_that_stop_all_mail() -> None:
    how = replace(config(), site=replace(config().site, postal_address=" "), web=WebConfig(public_url="https://intern"))
    found = list(settings.examine(how, (3, 13, 12)))
    bad = {one.where for one in found if one.level is Level.FAILURE}
    assert bad == {"[site] postal_address", "[web] secret", "[web] public_url", "[[relays]]"}


def test_the_command(tmp_path: Path) -> None:
    with Mailbox() as box, NameServer(WHOLE) as dns:
        desk = newsroom(tmp_path / "desk", "sqlite:///digest.db", box.port)
        desk("db", "upgrade")
        where = "{}:{}".format(*dns.address)
        said = desk("doctor", "--nameserver", where)
        assert "0 to mend" in said.out and "WARNING" in said.out
        data = desk.json("doctor", "--nameserver", where)
        assert data["counts"]["failure"] == 0
        assert {tuple(one) for one in data["findings"]} == {("level", "where", "what", "mend")}
        with (desk.folder / "config.toml").open("a") as file:
            file.write('\n[[relays]]\nname = "gone"\nhost = "127.0.0.1"\nport = 1\nsecurity = "none"\n')
        assert "1 to mend" in desk("doctor", "--nameserver", where, code=1).out
        assert desk("doctor", "--nameserver", "name.example", code=2).err.count("\n") == 1
    assert box.messages == []


def test_a_server_that_blocks_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:hush-hush@127.0.0.1:{silent.getsockname()[1]}/digest"
        desk = newsroom(tmp_path / "desk", url, 1)
        script = "import digest.doctor.run as run; run.DEADLINE_S = 2.0; from digest.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", script, "--json", "doctor", "--nameserver", "127.0.0.1:9"],
            cwd=desk.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1, done.stderr
    assert "hush-hush" not in done.stdout + done.stderr
    assert any(one["where"] == "database" for one in json.loads(done.stdout)["findings"])
