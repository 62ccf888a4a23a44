"""Settings, links and a good message for tests of delivery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from digest.blanks import Blank, blank, field_blank
from digest.config import Config, MailConfig, RelayConfig, SiteConfig
from digest.deliver.message import Prepared, Reader, Stationery, build, message_id, prepare, standing_headers
from digest.fields import Field
from digest.links import Links
from digest.models import Issue
from subscribers.models import MailingList
from subscribers.tokens import KeyRing

AT = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
KEY = b"k" * 32
WORD = "q7w8e9"
FIELDS = (Field("name", "friend"), Field("city", "town"))
LINKS = Links("http://127.0.0.1:8080", KeyRing("a secret of tests"))

_NEXT = "\u034f\u00a0" * 20
HTML = (
    '<!doctype html><html lang="en" dir="ltr"><head><title>The week in caf\u00e9s</title>'
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"></head>'
    '<body><div style="display:none">One article, a few letters and what becomes of them in between.'
    f'{_NEXT}</div><div lang="en" dir="ltr"><h1>The week</h1><p>Dear {{name}},</p>'
    '<p><a href="https://example.org/one">First article</a> &mdash; caf\u00e9, \u6f22\u5b57.</p>'
    '<p><a href="{unsubscribe}" style="display:inline-block;padding:14px 0">Unsubscribe</a></p></div></body></html>\n'
)
TEXT = (
    "The week\n========\n\nDear {name},\n\nFirst article \u2014 caf\u00e9, \u6f22\u5b57.\nhttps://example.org/one\n\n"
    + "A sentence that is here to be read by those who read text.\n" * 4
    + "\n\nUnsubscribe: {unsubscribe}\n"
)


def config(*relays: RelayConfig, **mail: Any) -> Config:
    """Settings that lead to the given relays."""
    return Config(
        site=SiteConfig(name="The Review", url="https://review.example", postal_address="1 Main St"),
        mail=MailConfig(**{"sender": "The Review <news@review.example>", "retry_first_s": 1, **mail}),
        relays=relays,
    )


def mailing_list(**changes: Any) -> MailingList:
    """A public list."""
    return MailingList(**{"id": "weekly", "title": "The Weekly", "created_at": AT, **changes})


def issue(number: int = 12) -> Issue:
    """An issue, as far as headers need it."""
    return Issue(id=number, edition_id="weekly", window_start=AT, window_end=AT, created_at=AT)


def stationery(**changes: Any) -> Stationery:
    """An issue's variant."""
    blanks = {name.value: blank(WORD, name) for name in Blank}
    usual = Stationery(
        subject="The week in caf\u00e9s",
        html=HTML.format(**blanks),
        text=TEXT.format(**blanks),
        headers=standing_headers(config(), LINKS, mailing_list(), issue(), AT),
        blank_word=WORD,
    )
    return replace(usual, **changes)


def personal() -> Stationery:
    """The same with FIELDS in subject, HTML and text."""
    first, second = (field_blank(WORD, number) for number in (0, 1))
    usual, subject = stationery(), f"{first}, the week in {second}"
    html = usual.html.replace("The week in caf\u00e9s", subject)
    return replace(
        usual,
        subject=subject,
        html=html.replace("First article", f"{first} in {second}: first article"),
        text=usual.text.replace("First article", f"  {first}, is all well in {second}? Here is the first article"),
        fields=FIELDS,
    )


def reader(address: str = "ann@example.org", name: str = "Ann", **changes: Any) -> Reader:
    """One reader of it."""
    uri = LINKS.unsubscribe(b"h" * 12, "weekly")
    usual = Reader(
        address=address,
        name=name,
        message_id=message_id(KEY, "issue:12", "7", "review.example"),
        unsubscribe=uri,
        values={Blank.NAME: name, Blank.UNSUBSCRIBE: uri, Blank.PREFERENCES: LINKS.preferences(b"h" * 12, "weekly")},
    )
    return replace(usual, **changes)


def prepared(**changes: Any) -> Prepared:
    """The variant, ready for readers."""
    return prepare(stationery(**changes))


def good() -> bytes:
    """A message without a failure."""
    return build(prepared(), reader())
