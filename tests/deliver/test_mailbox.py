"""The recording server keeps what was on the wire, whatever the client writes."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
from mailbox import DROP, Mailbox, greylist, read_log, refuse
from pathlib import Path

import pytest
from post import good

BODIES = [b"a\r\n", b".\r\n..\r\n.a\r\n", b"a\r\n.\r\nb\r\n", b"a\n.\nb\r\n", b"a\r.\rb\r\n", b""]


def send(port: int, raw: bytes, to: str = "ann@example.org") -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("news@review.example", to, raw)


@pytest.mark.parametrize("body", BODIES)
def test_bytes_arrive_as_they_were(body: bytes) -> None:
    with Mailbox(judge=False) as box, socket.create_connection(("127.0.0.1", box.port)) as client:
        stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
        client.sendall(
            b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + stuffed + b".\r\nQUIT\r\n"
        )
        while client.recv(4096):
            pass
    assert [(got.mail, got.rcpt, got.raw) for got in box.messages] == [("a@b.example", "c@d.example", body)]


def test_messages_are_judged_at_the_end() -> None:
    with pytest.raises(AssertionError, match="F-17"), Mailbox() as box:
        send(box.port, good().replace(b"MIME-Version: 1.0\r\n", b""))


def test_the_recipient_has_to_be_the_one_in_to() -> None:
    with pytest.raises(AssertionError), Mailbox() as box:
        send(box.port, good(), to="bob@example.org")


def test_it_refuses_greylists_and_hangs_up_as_told() -> None:
    with Mailbox(greylist()) as box:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(box.port, good())
        send(box.port, good())
        box.behave(refuse({"ann@example.org": "550 5.1.1 nobody"}))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(box.port, good())
        box.behave(refuse({"*": DROP}, stage="dot"))
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(box.port, good())
    assert len(box.messages) == 1
    assert box.stages["rcpt"] == 4


def test_the_process_form_logs_before_it_acknowledges(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    script = Path(__file__).parents[1] / "mailbox.py"
    with subprocess.Popen([sys.executable, script, "--log", log], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline().split()[1])
        send(port, good())
        assert [got.raw for got in read_log(log)] == [good()]
        process.terminate()
