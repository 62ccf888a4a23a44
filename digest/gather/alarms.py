"""What staff are told of sources: once when it becomes true, once when it no longer is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from digest.models import Source, SourceState

FAILURES = 5  # in a row: about eight hours
REFUSED = (401, 403)
SHOWN = 5  # names in a sentence


@dataclass(frozen=True)
class News:
    """What changed for a source since staff were last told: the words to keep, and sentences (Markdown)."""

    told: str
    sentences: tuple[str, ...]


def news(source: Source, now: datetime) -> News:
    """What is to be said of the source now; no sentence where nothing changed."""
    here, before = _troubles(source, now), set(filter(None, source.told.split()))
    sentences = [_line(source, sentence) for word, sentence in here.items() if word not in before]
    if not here and before & {"gone", "off", "refused", "failing", "quiet"}:
        sentences.append(_line(source, "is well again."))
    return News(" ".join(sorted(here)), tuple(sentences))


def failed(sources: Iterable[tuple[str, str | None]]) -> str | None:
    """ "2 of 14 sources failed", with their names, of (id, error) of all; None if all is well."""
    known = list(sources)
    names = sorted(name for name, error in known if error)
    if not names:
        return None
    some = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return (
        f"{len(names)} of {len(known)} {'source' if len(known) == 1 else 'sources'} failed at the last look: {some}. "
        "`digest sources list` says why."
    )


def _troubles(source: Source, now: datetime) -> dict[str, str]:
    found = {}
    again = f"`digest sources retry {source.id}` has it asked again."
    error = (source.error or "").replace("`", "'")
    if source.state == SourceState.GONE:
        found["gone"] = f"{error}. {again}"
    elif source.state == SourceState.OFF:
        found["off"] = f"{error}. {again}"
    elif source.status in REFUSED:
        found["refused"] = f"{error}: it does not let us in."
    elif source.failures >= FAILURES:
        found["failing"] = f"{source.failures} looks in a row failed, the last one: {error}."
    elif source.quiet_after and now > source.quiet_after and not error:
        found["quiet"] = "has brought nothing new for three times as long as it usually takes."
    if source.held_for:
        found["owner"] = source.held_for
    elif source.held:
        count = "1 article waits" if source.held == 1 else f"{source.held:,} articles wait"
        found["held"] = (
            f"{count} for a look, as so many of old or no date came at once: "
            f"`digest articles release --source {source.id}` lets them in."
        )
    return found


def _line(source: Source, sentence: str) -> str:
    return f"- **{_escaped(source.name or source.id)}**: {_escaped(sentence)}"


def _escaped(text: str) -> str:
    """Markdown for `text` with nothing but its code spans: names and titles are other people's words."""
    pieces = text.split("`")
    return "`".join(
        re.sub(r"([\\\[\]<>*_!&])", r"\\\1", piece) if n % 2 == 0 else piece for n, piece in enumerate(pieces)
    )
