"""What servers say about how long an answer holds, and when to come back, by tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from digest.gather.freshness import fresh_s, retry_at

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DATE = "Fri, 20 Nov 2026 11:59:30 GMT"  # the server's clock is half a minute behind
IN_AN_HOUR = "Fri, 20 Nov 2026 12:59:30 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"cache-control": "public, max-age=600"}, 600, id="max-age"),
        pytest.param({"cache-control": 'MAX-AGE="600"'}, 600, id="quoted"),
        pytest.param({"cache-control": "s-maxage=9, max-age=600"}, 600, id="not that of shared caches"),
        pytest.param({"cache-control": "max-age=600", "age": "500"}, 100, id="it has an age"),
        pytest.param({"cache-control": "max-age=600", "age": "900"}, 0, id="it is stale already"),
        pytest.param({"cache-control": "no-cache, max-age=600"}, None, id="no-cache"),
        pytest.param({"cache-control": "max-age=600", "expires": DATE}, 600, id="max-age before Expires"),
        pytest.param({"expires": IN_AN_HOUR, "date": DATE}, 3_600, id="Expires by the server's clock"),
        pytest.param({"expires": IN_AN_HOUR}, 3_570, id="Expires by ours"),
        pytest.param({"expires": "0"}, None, id="Expires is no date"),
        pytest.param({"expires": DATE}, 0, id="it has expired"),
        pytest.param({"cache-control": "max-age=99999999999999999999"}, 999_999_999, id="for ever"),
    ],
)
def test_for_how_long_an_answer_is_fresh(headers: dict[str, str], expected: int | None) -> None:
    assert fresh_s(headers, NOW) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("120", NOW + timedelta(minutes=2), id="seconds"),
        pytest.param(" 120 ", NOW + timedelta(minutes=2), id="with blanks"),
        pytest.param("99999999999", NOW + timedelta(days=7), id="seconds, too many"),
        pytest.param("Fri, 20 Nov 2026 14:00:00 GMT", NOW + timedelta(hours=2), id="date"),
        pytest.param("Friday, 20-Nov-26 14:00:00 GMT", NOW + timedelta(hours=2), id="date as of RFC 850"),
        pytest.param("Fri, 20 Nov 2026 14:00:00 +0100", NOW + timedelta(hours=1), id="date with a zone"),
        pytest.param("Fri, 20 Nov 2020 14:00:00 GMT", NOW, id="date, past"),
        pytest.param("Fri, 20 Nov 2099 14:00:00 GMT", NOW + timedelta(days=7), id="date, too far"),
        pytest.param("-5", None, id="negative"),
        pytest.param("soon", None, id="words"),
        pytest.param("²", None, id="a digit that is none"),
        pytest.param("Fri, 99 Nov 2026 14:00:00 GMT", None, id="no such day"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_when_to_come_back(value: str, expected: datetime | None) -> None:
    assert retry_at(value, NOW) == expected
