"""An issue whose pictures travel with it, all the way to a mailbox: signed, whole, and the same a year later."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from io import BytesIO
from mailbox import SPEECHES, Mailbox
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from feedserver import FeedServer
from office import invite
from PIL import Image
from post import config
from sqlalchemy import Engine, update
from verifiers import with_dkimpy
from webhost import serving

from digest import db, pipeline, proofs, wiring
from digest.cli.looking import _shown
from digest.compose.content import articles
from digest.config import DatabaseConfig, DkimConfig, EditionConfig, GatherConfig, ListConfig, SectionConfig
from digest.config.values import SectionMatch
from digest.deliver.dkim import Key
from digest.deliver.lint import lint
from digest.models import Article, Delivery, DeliveryState, Issue, IssueState, Slice, Source, table
from digest.pictures import storing
from digest.web import site_of
from digest.web.archive.export import export
from digest.wiring import App
from subscribers.models import Subscription

KEY = rsa.generate_private_key(65537, 2048)
RECORDS = {"r1._domainkey.review.example": Key("review.example", "r1", KEY).record}
NAMES = ("first", "second", "third")
Room = Callable[..., AbstractContextManager[tuple[App, Mailbox]]]


@pytest.fixture
def room(database_url: str, tmp_path: Path) -> Room:
    """A newsroom with three articles, each with a picture of some kilobytes, and two readers."""
    file = tmp_path / "dkim.pem"
    file.touch(mode=0o600)
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(KEY.private_bytes(encoding, kind, serialization.NoEncryption()))

    @contextmanager
    def opened(speech: str = "chunked", **mail: object) -> Iterator[tuple[App, Mailbox]]:
        with Mailbox(extensions=SPEECHES[speech]) as box, FeedServer() as server:
            how = config(box.relay())
            sections = tuple(SectionConfig(name, name.title(), SectionMatch(kind=(name,))) for name in NAMES)
            how = replace(
                how,
                database=DatabaseConfig(database_url),
                mail=replace(how.mail, **{"images": "inline", **mail}),  # type: ignore[arg-type]
                gather=GatherConfig(allow_private_addresses=True, timeout_s=3),
                dkim=(DkimConfig("review.example", "r1", file),),
                lists=(ListConfig("weekly", "Weekly", line=1),),
                editions=(EditionConfig("weekly", "weekly", "Weekly", sections=sections, line=1),),
            )
            with wiring.opened(how) as app:
                invite(app.engine, [(1, "ann@example.org"), (2, "bob@example.org")])
                _write(app, server)
                yield app, box

    return opened


def _write(app: App, server: FeedServer) -> None:
    now = app.clock()
    with db.writing(app.engine) as session:
        session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=now))
        session.flush()
        for hours, name in enumerate(NAMES):
            out = BytesIO()
            Image.effect_noise((400, 200), 40 + hours).convert("RGB").save(out, "PNG")
            server.page("127.0.0.1", f"/{name}.png", out.getvalue())
            at, url = now - timedelta(hours=hours), f"https://example.org/{name}"
            times = {"published_at": at, "first_seen_at": at, "available_at": at, "previous_look_at": at}
            image = server.url("127.0.0.1", f"/{name}.png")
            said = {"title": name.title(), "kind": name, "image_url": image}
            session.add(Article(canonical_url=url, url=url, source_id="desk", **said, **times))


def parts(raw: bytes) -> tuple[str, dict[str, MIMEPart]]:
    """The HTML of a message, and its pictures by what cid: calls them."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    html = message.get_body(("html",))
    assert html is not None
    pictures = [part for part in message.walk() if part.get_content_maintype() == "image"]
    return html.get_content(), {str(one["Content-ID"]).strip("<>"): one for one in pictures}  # type: ignore[misc]


@pytest.mark.parametrize("speech", ["chunked", "plain"])
def test_pictures_arrive_with_the_mail_and_again_a_year_later(room: Room, speech: str) -> None:
    with room(speech) as (app, box):
        published = asyncio.run(pipeline.publish(app, "weekly"))
        assert published.composed.issue.state == "sent"
        first = {got.rcpt: got.raw for got in box.messages}
        for raw in first.values():
            assert lint(raw, loopback=True) == []
            assert with_dkimpy(raw, RECORDS) == [True]
            html, pictures = parts(raw)
            assert sorted(re.findall(r'src="cid:([^"]+)"', html)) == sorted(pictures)
            assert len(pictures) == 3
            for one in pictures.values():
                with Image.open(BytesIO(one.get_content())) as image:
                    assert (image.format, image.size) == ("JPEG", (400, 200))
        _send_again(app.engine)
        with wiring.opened(app.config, clock=lambda: wiring.utcnow() + timedelta(days=365)) as later:
            asyncio.run(pipeline.deliver(later, issue_id=published.composed.issue.id))
        again = {got.rcpt: got.raw for got in box.messages[len(first) :]}
        assert again == first


def _send_again(engine: Engine) -> None:
    """As if the ledger had been lost, and the articles' pictures are gone."""
    after = wiring.utcnow() + timedelta(days=1_000)
    with db.writing(engine) as session:
        session.execute(update(table(Slice)).values(done=False, counts=None, expires_at=after))
        session.execute(update(table(Delivery)).values(state=DeliveryState.PENDING, attempts=0))
        session.execute(update(table(Issue)).values(state=IssueState.SENDING))
        session.execute(update(table(Article)).values(image_url=None))


def test_no_page_says_cid(room: Room, tmp_path: Path) -> None:
    with room() as (app, _):
        issue_id = asyncio.run(pipeline.publish(app, "weekly")).composed.issue.id or 0
        shown = pipeline.stationery_of(app, issue_id)[0]
        previewed = _shown(app, issue_id, ())
        assert len(set(re.findall(r'src="(data:image/jpeg;base64,[^"]+)"', previewed.seen))) == 3
        assert "/images/" not in previewed.seen and "data:" not in previewed.html
        with serving(app.engine, None, app.config) as host, host.client() as web:
            page = web.get("/archive/weekly/1").text
        export(site_of(app), tmp_path / "archive", None)
        exported = (tmp_path / "archive" / "weekly" / "1.html").read_text()
        names = {one.name for one in shown.enclosed}
        for html in (shown.html, page, exported):
            assert "cid:" not in html
            assert set(re.findall(r'src="[^"]*images/([0-9a-f]{64}\.jpg)"', html)) == names
        assert {one.name for one in (tmp_path / "archive" / "images").iterdir()} == names


def test_beyond_the_cap_the_articles_that_rank_lowest_stay_on_our_pages(room: Room) -> None:
    with room() as (app, box):
        content = asyncio.run(pipeline.draft(app, "weekly")).content
        assert content is not None
        ranked = [one.picture.url for one in sorted(articles(content), key=lambda one: one.rank) if one.picture]
        with db.reading(app.engine) as session:
            kept = storing.shown(session, ranked)
            first, second, third = (f"{kept[url].sha256}.jpg" for url in ranked)
            size = storing.sizes(session, [first, second, third])
        most = size[first] + size[second]
        mail = replace(app.config.mail, inline_max_bytes=most)
        asyncio.run(pipeline.publish(replace(app, config=replace(app.config, mail=mail)), "weekly"))
        html, pictures = parts(box.messages[0].raw)
        assert sorted(one.get_filename() or "" for one in pictures.values()) == sorted(
            f"{name[:12]}.jpg" for name in (first, second)
        )
        assert f'src="{app.links.picture(third)}"' in html
        assert sum(len(one.get_content()) for one in pictures.values()) == most


@pytest.mark.parametrize("images", ["hosted", "inline"])
def test_a_variant_that_is_printed_late_has_its_pictures_too(
    room: Room, images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "_PROOFS", 0)
    with room(images=images) as (app, box):
        chosen = table(Subscription)
        with db.writing(app.engine) as session:
            wish = {"sections": ["second"]}
            session.execute(update(chosen).where(chosen.c.subscriber_id == 2).values(choices=wish))
        asyncio.run(pipeline.publish(app, "weekly"))
        html, pictures = parts(next(got.raw for got in box.messages if got.rcpt == "bob@example.org"))
        assert len(pictures) == (images == "inline")
        assert ".png" not in html
        assert len(re.findall(r'src="(?:cid:|[^"]*/images/)', html)) == 1


def test_what_can_t_be_had_is_in_the_log(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    with room() as (app, box):
        with db.writing(app.engine) as session:
            session.execute(update(table(Article)).values(image_url="http://127.0.0.1:1/gone.png"))
        asyncio.run(pipeline.publish(app, "weekly"))
        assert "multipart/related" not in box.messages[0].raw.decode()
    assert "issue 1: The picture http://127.0.0.1:1/gone.png is left out: " in caplog.text
