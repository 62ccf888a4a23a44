"""Pictures that we serve ourselves: made small and safe, fetched within limits, kept for ever (A-13, A-16)."""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO

import pytest
import samples
from feedserver import FeedServer
from PIL import Image
from sqlalchemy import Engine
from webhost import add_list, configured, serving

from digest import db
from digest.compose.content import ArticleContent, IssueContent, Picture, SectionContent, Sponsor
from digest.config import Config, GatherConfig
from digest.gather.fetch import Fetcher, Limits
from digest.links import Links
from digest.models import HostedPicture, PictureLook, table
from digest.pictures import hosting, run
from digest.pictures.hosting import Hosted
from digest.pictures.making import MOST_PIXELS, WIDEST, Made, Unusable, made
from subscribers.tokens import KeyRing

LINKS = Links("https://paper.example", KeyRing("a secret of the tests, long enough to be one"))


def painted(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **more: object) -> bytes:
    out = BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert(mode).save(out, kind, **more)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_every_kind_becomes_one_that_outlook_shows(kind: str) -> None:
    found = made(painted(2_400, 1_200, kind))
    assert isinstance(found, Made)
    assert (found.kind, found.width, found.height) == ("jpg", WIDEST, WIDEST // 2)
    with Image.open(BytesIO(found.content)) as image:
        assert (image.format, image.size) == ("JPEG", (found.width, found.height))


def test_a_small_picture_is_not_enlarged_and_one_that_is_seen_through_stays_so() -> None:
    clear = Image.new("RGBA", (300, 200), (200, 0, 0, 90))
    out = BytesIO()
    clear.save(out, "WEBP", lossless=True)
    found = made(out.getvalue())
    assert isinstance(found, Made)
    assert (found.kind, found.width, found.height) == ("png", 300, 200)
    with Image.open(BytesIO(found.content)) as image:
        assert image.convert("RGBA").getpixel((5, 5)) == (200, 0, 0, 90)
    solid = made(painted(300, 200, "PNG", "RGBA"))
    assert isinstance(solid, Made) and solid.kind == "jpg"


def test_a_turned_picture_stands_upright_and_tells_nothing_of_its_camera() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera of a reporter"
    found = made(painted(400, 200, "JPEG", exif=exif))
    assert isinstance(found, Made)
    assert (found.width, found.height) == (200, 400)
    assert b"Camera" not in found.content and b"Exif" not in found.content


def test_of_a_moving_picture_the_first_frame_is_shown() -> None:
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "blue")]
    out = BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    found = made(out.getvalue())
    assert isinstance(found, Made)
    with Image.open(BytesIO(found.content)) as image:
        red, _, blue = image.getpixel((30, 30))  # type: ignore[misc]
        assert red > 200 > blue


def test_equal_pictures_are_equal_bytes() -> None:
    assert made(painted(900, 500)) == made(painted(900, 500))


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (png_of(30_000, 30_000), "far too large"),
        (png_of(8_000, 5_001), f"more than {MOST_PIXELS:,}"),
        (png_of(60_000, 60_000), "far too large"),
        (painted(1, 1, "GIF"), "only 1 x 1 pixels"),
        (png_of(400, 400), "damaged"),
        (painted(900, 500, "JPEG")[:900], "damaged"),
        (painted(300, 300, "WEBP")[:200], "damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "no picture that we know"),
        (b"<html>not found</html>", "no picture that we know"),
        (b"", "no picture that we know"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "no picture|damaged"),
        (b"8BPS\0\1" + b"\0" * 200, "no picture that we know"),
        (painted(300, 300, "TIFF"), "no picture that we know"),
    ],
)
def test_what_is_no_picture_is_refused_before_it_costs_anything(body: bytes, why: str) -> None:
    found = made(body)
    assert isinstance(found, Unusable)
    assert re.search(why, found.why), found.why


def content(server: FeedServer) -> IssueContent:
    """A lead with a good picture, and articles whose pictures are gone, a bomb, or no picture at all."""

    def picture(path: str) -> Picture:
        return Picture(server.url("127.0.0.1", path), "Words", "Credit", 10, 10)

    [section, *_] = samples.ISSUE.sections
    articles = tuple(
        replace(one, picture=picture(path))
        for one, path in zip(
            section.articles * 2, ("/gone.png", "/bomb.png", "/words.html", "/lead.webp"), strict=False
        )
    )
    return replace(
        samples.ISSUE,
        lead=replace(samples.LEAD, picture=picture("/lead.webp")),
        sections=(replace(section, articles=articles),),
        latest=(),
        sponsor=Sponsor("Sponsored", "Maps", "https://books.example/", picture=picture("/maps.png")),
    )


@pytest.fixture
def server() -> FeedServer:
    """Pictures on loopback."""
    server = FeedServer()
    server.page("127.0.0.1", "/lead.webp", painted(1_600, 900, "WEBP"))
    server.page("127.0.0.1", "/maps.png", painted(200, 100))
    server.page("127.0.0.1", "/bomb.png", png_of(9_000, 9_000))
    server.page("127.0.0.1", "/words.html", b"<p>Please log in</p>")
    return server


def settings(private: bool = True) -> Config:
    return replace(configured(), gather=GatherConfig(allow_private_addresses=private, timeout_s=5))


def test_pictures_are_fetched_once_and_shown_from_our_pages(engine: Engine, now: datetime, server: FeedServer) -> None:
    steps: list[tuple[str, int, int | None]] = []

    def watched(label: str, done: int, total: int | None, going: object = None) -> None:
        steps.append((label, done, total))

    with server:
        issue = content(server)
        lost = asyncio.run(run.fetch(engine, settings(), issue, lambda: now, progress=watched))
        asked = len(server.requests)
        assert asyncio.run(run.fetch(engine, settings(), issue, lambda: now)) == lost
        assert len(server.requests) == asked
        later = now + timedelta(hours=1)
        asyncio.run(run.fetch(engine, settings(), issue, lambda: later))
        assert [one.path for one in server.requests[asked:]].count("/lead.webp") == 0
    assert steps == [("Pictures", done, len(steps)) for done in range(1, len(steps) + 1)]
    assert any("/bomb.png is left out: it has 9,000 x 9,000 pixels" in one for one in lost)
    assert any("/gone.png is left out:" in one and "404" in one for one in lost)
    assert any("/words.html is left out: it is no picture" in one for one in lost)
    shown = run.hosted(engine, LINKS, issue)
    assert shown.lead and shown.lead.picture
    assert shown.lead.picture.url.startswith("https://paper.example/images/")
    assert (shown.lead.picture.width, shown.lead.picture.height) == (1_200, 675)
    assert (shown.lead.picture.alt, shown.lead.picture.credit) == ("Words", "Credit")
    assert shown.sponsor and shown.sponsor.picture and shown.sponsor.picture.width == 200
    assert not any(one.picture for one in shown.sections[0].articles[:2])
    assert len({*hosting.urls(shown)}) == 2


def test_addresses_of_ours_are_never_asked_for_pictures(engine: Engine, now: datetime, server: FeedServer) -> None:
    with server:
        lost = asyncio.run(run.fetch(engine, settings(private=False), content(server), lambda: now))
        assert server.requests == []
    assert all("is left out" in one for one in lost)


def test_one_slow_server_costs_only_its_own_picture(engine: Engine, now: datetime, server: FeedServer) -> None:
    with server:
        issue = content(server)
        server.drip("127.0.0.1", "/lead.webp")
        fetching = Fetcher(Limits(timeout_s=1, private=True), "Digest")
        lost = asyncio.run(run.fetch(engine, settings(), issue, lambda: now, fetching=fetching, deadline_s=20))
    assert any("/lead.webp is left out" in one for one in lost)
    assert run.hosted(engine, LINKS, issue).sponsor.picture  # type: ignore[union-attr]


def test_pictures_are_served_for_ever(engine: Engine, now: datetime, server: FeedServer) -> None:
    with db.writing(engine) as session:
        add_list(session, now)
    with server:
        issue = content(server)
        asyncio.run(run.fetch(engine, settings(), issue, lambda: now))
    with serving(engine, now) as host, host.client() as web:
        lead = run.hosted(engine, host.links, issue).lead
        assert lead and lead.picture
        path = host.path(lead.picture.url)
        answer = web.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        with Image.open(BytesIO(answer.content)) as image:
            assert image.size == (1_200, 675)
        again = web.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert web.head(path).headers["content-length"] == str(len(answer.content))
        for wrong in (
            path.replace(".jpg", ".png"),
            "/images/x.jpg",
            f"/images/{'0' * 64}.jpg",
            "/images/..%2f..%2fx.jpg",
        ):
            assert web.get(wrong).status_code == 404


def test_a_logo_that_can_t_be_had_stays_where_it_is() -> None:
    issue = replace(samples.ISSUE, site=replace(samples.SITE, logo="https://meridian.example/logo.png"))
    assert hosting.hosted(issue, {}).site.logo == "https://meridian.example/logo.png"
    ours = {"https://meridian.example/logo.png": Hosted("https://paper.example/images/1.png", 100, 50)}
    assert hosting.hosted(issue, ours).site.logo == "https://paper.example/images/1.png"


def test_what_travels_comes_by_rank_and_as_far_as_it_is_shown() -> None:
    def article(number: int, rank: int) -> ArticleContent:
        picture = Picture(f"https://paper.example/images/{number}.jpg")
        return ArticleContent(number, "https://a.example/", "Title", picture=picture, rank=rank)

    section = SectionContent("one", "One", "full", (article(1, 3), article(2, 1), article(3, 2), article(4, 4)))
    site = replace(samples.SITE, logo="https://paper.example/images/logo.png")
    elsewhere = Sponsor("Paid", "A book", "https://b.example/", picture=Picture("https://b.example/1.png"))
    issue = replace(samples.ISSUE, site=site, lead=article(5, 5), sections=(section,), sponsor=elsewhere)
    html = "".join(f'<img src="https://paper.example/images/{n}">' for n in ("1.jpg", "2.jpg", "3.jpg", "5.jpg"))
    html += '<a href="https://paper.example/images/4.jpg"><img src="https://paper.example/images/logo.png"></a>'
    own = hosting.own(issue, html, "https://paper.example/images/")
    assert own == ("logo.png", "5.jpg", "2.jpg", "3.jpg", "1.jpg")


@pytest.mark.parametrize(
    ("most", "chosen"),
    [
        (0, ""),
        (4, ""),
        (9, "d"),
        (10, "a"),
        (29, "ad"),
        (30, "ab"),
        (35, "abd"),
        (59, "abd"),
        (60, "abc"),
        (65, "abcd"),
    ],
)
def test_what_does_not_fit_any_more_is_passed_over(most: int, chosen: str) -> None:
    sizes = {"a": 10, "b": 20, "c": 30, "d": 5}
    assert hosting.fitting(("a", "b", "lost", "c", "d"), sizes, most) == tuple(chosen)


def test_equal_pictures_are_kept_once(engine: Engine, now: datetime, server: FeedServer) -> None:
    with server:
        server.page("127.0.0.1", "/maps.png", painted(1_600, 900, "WEBP"))
        asyncio.run(run.fetch(engine, settings(), content(server), lambda: now))
    with db.reading(engine) as session:
        assert len(session.execute(table(HostedPicture).select()).all()) == 1
        assert len(session.execute(table(PictureLook).select()).all()) == 5
