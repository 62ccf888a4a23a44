"""OPML out and in: nothing is lost or changed on the way, however odd; and what is hostile is refused at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from digest import byhand, db, opml
from digest.config.keys import TABLES
from digest.config.kinds import Kind, Wrong
from digest.errors import UsageError
from digest.models import Source

KEYS = TABLES["sources"].keys


def accepted(key: str, value: Any) -> Any:
    """`value` as a source may hold it, else nothing."""
    kind = KEYS[key]
    assert isinstance(kind, Kind)
    try:
        return kind.read(value)
    except Wrong:
        return None


def words(key: str) -> Any:
    return st.none() | st.text(max_size=30).map(lambda text: accepted(key, text) or None)


@st.composite
def feeds(draw: Any) -> list[opml.Feed]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        type_ = draw(st.sampled_from(["feed", "sitemap", "page", "wordpress", "folder"]))
        css = st.dictionaries(st.sampled_from(["article", "title"]), st.sampled_from(["h2 > a", 'a[href="<&"]@href']))
        found.append(
            opml.Feed(
                f"https://e.example/{number}?a=1&b='\"<>",
                draw(words("name")) or "",
                draw(words("section")),
                draw(st.sampled_from([None, "en", "pt-BR"])),
                id=f"s{number}",
                kind=draw(words("kind")),
                weight=draw(st.floats(0, 1000)),
                max_items=draw(st.none() | st.integers(1, 10_000)),
                type=type_,
                select=draw(css) if type_ == "page" else {},
                folder=(draw(words("folder")) or "notes") if type_ == "folder" else None,
            )
        )
    return found


@given(feeds(), st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_and_written_alike(given_: list[opml.Feed], title: str) -> None:
    text = opml.write(title, given_)
    again = opml.read(text.encode())
    assert opml.write(title, again) == text
    assert sorted(again, key=lambda feed: feed.id or "") == given_


def exported(session: Session) -> str:
    rows = session.exec(select(Source).order_by(col(Source.id)))
    keys = ("url", "id", *byhand.OF_FEED)
    return opml.write(
        "x",
        [
            opml.Feed(**{key: getattr(row, key) for key in keys if key != "select"}, select=row.selectors)
            for row in rows
        ],
    )


def test_ten_thousand_feeds_come_in_at_once_and_go_out_alike(engine: Engine, now: Any) -> None:
    lines = "".join(f'<outline type="rss" text="Feed {n}" xmlUrl="https://e.example/{n}"/>' for n in range(10_000))
    text = f'<opml version="2.0"><body><outline text="World">{lines}</outline></body></opml>'
    with db.writing(engine) as session:
        done = byhand.import_feeds(session, opml.read(text.encode()), now)
        assert (len(done.added), done.known, done.bad) == (10_000, [], [])
        assert (done.added[0], done.added[-1]) == ("e.example", "e.example-10000")
        first = exported(session)
        again = byhand.import_feeds(session, opml.read(first.encode()), now)
        assert (again.added, len(again.known)) == ([], 10_000)
        assert exported(session) == first


def test_folders_in_folders_name_the_innermost_section() -> None:
    text = b"""<opml><body><outline text="Welt"><outline title="Politik"><outline xmlUrl="https://e.example/1"/></outline>
    <outline xmlUrl="https://e.example/2"/></outline><outline xmlUrl="https://e.example/3"/></body></opml>"""
    assert [(feed.url[-1], feed.section) for feed in opml.read(text)] == [("1", "Politik"), ("2", "Welt"), ("3", None)]


def test_other_readers_are_shown_feeds_as_feeds_only() -> None:
    text = opml.write(
        "x", [opml.Feed("https://e.example/f", id="f"), opml.Feed("https://e.example/p", id="p", type="page")]
    )
    assert 'type="rss" text="f" xmlUrl="https://e.example/f"' in text
    assert 'type="link" text="p" url="https://e.example/p"' in text
    # A link of another program's is no source.
    assert opml.read(b'<opml><outline type="link" text="x" url="https://e.example/"/></opml>') == []


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ('digest:type="rss"', 'type: expected "feed" or'),
        ('digest:type="page" digest:select="{&quot;title&quot;: 7}"', "select: expected CSS for title"),
        ('digest:type="page" digest:select="{&quot;a&quot;: &quot;b&quot;}"', "select: expected a table of CSS"),
        ('digest:type="folder"', "folder: missing"),
        ('digest:folder="/etc" digest:type="feed"', "folder: expected none"),
        ('digest:select="{&quot;title&quot;: &quot;b&quot;}" digest:type="feed"', "select: expected none"),
    ],
)
def test_a_line_that_does_not_fit_is_told_by_its_number(engine: Engine, now: Any, attributes: str, reason: str) -> None:
    text = f"""<opml xmlns:digest="urn:digest:opml"><body>
    <outline text="x" xmlUrl="https://e.example/1" {attributes}/>
    <outline text="y" xmlUrl="https://e.example/2"/></body></opml>"""
    with db.writing(engine) as session:
        done = byhand.import_feeds(session, opml.read(text.encode()), now)
    assert len(done.added) == 1 and [line for line, _ in done.bad] == [2]
    assert done.bad[0][1].startswith(reason)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"<!DOCTYPE opml [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]><opml>&b;</opml>", "without a document type"),
        (b"<opml>" + b" " * 10_000_000, "at most 10000000 bytes"),
        (b"<opml>" + b"<outline>" * 1_000_000, "at most 50 folders deep"),
        (b"<opml>&b;</opml>", "not XML"),
    ],
)
def test_what_is_hostile_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        opml.read(raw)
