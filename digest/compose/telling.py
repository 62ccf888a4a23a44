"""Stories in a file of articles: what composing would bring together, without a newsroom. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from digest.compose import jsonlines
from digest.compose.evidence import Text
from digest.compose.matching import groups
from digest.gather.clean import markup_text, plain_text
from digest.gather.feeds.times import from_text

_KEYS = ("title", "summary", "url", "source", "published")
_MILLISECONDS = 1e11  # numbers above this are no seconds before the year 5138


def inspect_stories(name: str, raw: bytes) -> dict[str, Any]:
    """The ids that tell the same event, each in one story; stories by their first id in the file's order.

    A line is a JSON object `{"id","title","summary","url","source","published"}`; all but `id` and `title` may be
    missing. A bad line is left out, with a sentence in `problems`.
    """
    rows, problems = jsonlines.read(name, raw, _KEYS)
    ids = list(rows)
    texts = []
    for row in rows.values():
        at = _instant(row["published"])
        if row["published"] and at is None:
            problems.append(f'{name}: published: expected a time like 2026-11-20T07:00Z, got "{row["published"][:40]}"')
        dek = plain_text(markup_text(row["summary"]))
        texts.append(
            Text(plain_text(row["title"]), dek, row["url"], at.timestamp() / 3600 if at else None, row["source"])
        )
    return {"input": name, "stories": [[ids[one] for one in group] for group in groups(texts)], "problems": problems}


def _instant(written: str) -> datetime | None:
    """A time in words, or in seconds or milliseconds since 1970."""
    try:
        number = float(written)
        return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, UTC)
    except (ValueError, OverflowError, OSError):
        return from_text(written)
