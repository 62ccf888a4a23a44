"""A newsroom's two weeks: feeds, an editor's hand, mail, people who join and leave, the next issue."""

from __future__ import annotations

import csv
import io
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from mailbox import Got, Mailbox
from pathlib import Path
from typing import Any

import httpx
from desk import Desk, Form, feed, newsroom, until
from feedserver import FeedServer

TITLES = ("Harbour bridge closed", "Rain ends a dry year", "Council votes tonight", "Old mill for sale")
PEOPLE = ["ann@example.org", "bob@example.com", "cy@mail.example.net", "dee@example.org"]


def test_two_weeks_of_a_newsroom(database_url: str, tmp_path: Path) -> None:
    with FeedServer() as server, Mailbox() as box:
        desk = newsroom(tmp_path / "desk", database_url, box.port, more='approval = "required"\n')
        server.page("paper.localhost", "/feed", feed(*TITLES))
        desk.source("paper", server.url("paper.localhost", "/feed"))
        desk.people(PEOPLE)
        first = edited_and_sent(desk)
        assert sorted(got.rcpt for got in box.messages) == PEOPLE
        looks_edited(box.messages[0])
        with desk.serving() as web:
            join_by_the_form(web, box, "eve@example.org")
            one_click(web, box.to("ann@example.org")[0])
            leave_by_the_page(web, box.to("bob@example.com")[0])
            archive_is_for_everybody(web, first, box.messages[0])
        before = len(box.messages)
        server.page(
            "paper.localhost", "/feed", feed("New quay opens", "Ferry late again", base="https://paper.example/b")
        )
        second = next_issue(desk)
        assert (second["number"], urls(second)) == (
            first["number"] + 1,
            {"https://paper.example/b/0", "https://paper.example/b/1"},
        )
        stay = ["cy@mail.example.net", "dee@example.org", "eve@example.org"]
        assert sorted(got.rcpt for got in box.messages[before:]) == stay
        books_agree(desk, first, second)


def edited_and_sent(desk: Desk) -> dict[str, Any]:
    """The first issue, as the editor made it."""
    assert desk.json("gather")["articles_new"] == len(TITLES)
    composed = desk.json("issues", "compose", "weekly")["issue"]
    assert urls(composed) == {f"https://paper.example/{n}" for n in range(len(TITLES))}
    desk("issues", "pin", "https://paper.example/1")
    desk("issues", "move", "https://paper.example/2", "--section", "lead")
    desk("issues", "drop", "https://paper.example/3")
    desk("issues", "edit", "https://paper.example/2", "--title", "The vote & what it means", "--dek", "Our own dek.")
    desk("issues", "edit", "--subject", "Before the vote", "--intro", "Dear reader, *hello*.")
    assert desk("issues", "send", "--yes", code=4).err.count("\n") == 1  # nobody has approved it
    # Gathering and composing again leave the editor's hand alone.
    desk.json("gather")
    again = desk.json("issues", "compose", "weekly")["issue"]
    assert (again["id"], again["subject"]) == (composed["id"], "Before the vote")
    desk("issues", "approve", str(composed["id"]))
    sent = desk.json("issues", "send", str(composed["id"]), "--yes")
    assert (sent["issue"]["state"], sent["deliveries"]["sent"]) == ("sent", len(PEOPLE))
    issue: dict[str, Any] = sent["issue"]
    return issue


def next_issue(desk: Desk) -> dict[str, Any]:
    """The second, by the one command, with the approval in between that the edition asks for."""
    said = desk("--json", "publish", "weekly", "--yes", code=4).data
    assert "waits for approval" in said["error"]
    desk("issues", "approve")
    issue: dict[str, Any] = desk.json("publish", "weekly", "--yes")["issue"]
    return issue


def looks_edited(got: Got) -> None:
    text, html = parts(got)
    assert got.header("Subject") == "Before the vote"
    assert "The vote &amp; what it means" in html
    assert "The vote & what it means" in text
    for body in (text, html):
        assert "Our own dek." in body
        assert "hello" in body
        assert "Old mill" not in body
        assert "Council votes" not in body
    assert text.index("The vote") < text.index("Harbour bridge")


def join_by_the_form(web: httpx.Client, box: Mailbox, address: str) -> None:
    form = Form(web.get("/").text)
    filled = form.fields | {"email": address, "name": "Eve"}

    def pressed() -> bool:
        # A form that is filled in within three seconds is asked for again.
        return "Now look at your mail" in web.post(form.action, data=filled).text

    until("answer to the form", pressed, every=0.5)
    mail = until("mail that asks for consent", lambda: box.to(address), seconds=15)[0]
    link = re.search(r"http://\S+/confirm/\S+", parts(mail)[0])
    assert link
    assert "You are subscribed" not in web.get(link[0]).text
    page = Form(web.get(link[0]).text)
    assert "You are subscribed" in web.post(page.action or link[0], data=page.fields).text


def one_click(web: httpx.Client, got: Got) -> None:
    link = got.header("List-Unsubscribe").strip("<>")
    assert web.get(link).status_code == 200
    assert web.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200


def leave_by_the_page(web: httpx.Client, got: Got) -> None:
    link = re.search(r"http://\S+/unsubscribe/\S+", parts(got)[0])
    assert link
    page = Form(web.get(link[0]).text)
    assert web.post(page.action or link[0], data=page.fields).status_code == 200


def archive_is_for_everybody(web: httpx.Client, issue: dict[str, Any], got: Got) -> None:
    page = web.get(f"/archive/weekly/{issue['number']}").text
    assert "The vote &amp; what it means" in page
    assert f"/archive/weekly/{issue['number']}" in web.get("/archive").text + web.get("/archive/weekly").text
    token = got.header("List-Unsubscribe").strip("<>").rsplit("/", 1)[1]
    assert token not in page
    assert not re.search(r"/(unsubscribe|confirm|preferences)/\w{10}", page)
    assert not any(address in page for address in PEOPLE)


def books_agree(desk: Desk, first: dict[str, Any], second: dict[str, Any]) -> None:
    """The ledger, a person's page and the export tell what happened."""
    row = desk.json("issues", "ledger", str(first["id"]), "--address", "Ann@example.org")["deliveries"][0]
    assert (row["address"], row["state"]) == ("ann@example.org", "sent")
    assert desk("issues", "ledger", str(second["id"]), "--address", "ann@example.org", code=None).code != 0
    eve = desk.json("subscribers", "show", "eve@example.org")["subscriber"]
    proofs = {(proof["action"], proof["method"]) for proof in eve["consent"]}
    assert {("asked", "form")} < proofs
    assert any(action == "confirmed" for action, _ in proofs)
    table = csv.DictReader(io.StringIO(desk("subscribers", "export", "--list", "weekly").out))
    status = {line["email"]: line["status"] for line in table}
    left = {"ann@example.org", "bob@example.com"}
    assert status == {one: "unsubscribed" if one in left else "confirmed" for one in [*PEOPLE, "eve@example.org"]}


def parts(got: Got) -> tuple[str, str]:
    """Text and HTML of a message."""
    message = message_from_bytes(got.raw, EmailMessage, policy=policy.default)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text
    assert html
    return str(text.get_content()), str(html.get_content())


def urls(issue: dict[str, Any]) -> set[str]:
    return {article["url"] for section in issue["sections"] for article in section["articles"]}
