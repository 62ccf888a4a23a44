"""Sections for a file of articles, some of which have one: what composing guesses, without a newsroom. Pure."""

from __future__ import annotations

from typing import Any

from digest.compose import jsonlines
from digest.compose.learning import Example, learn

_TEXTS = ("title", "summary", "url", "section")


def inspect_sections(name: str, raw: bytes) -> dict[str, Any]:
    """The best guess for each row without a section, however unsure, or `error`; a sentence for each bad line.

    A line is a JSON object `{"id","title","summary","url","section"}`; all but `id` and `title` may be missing.
    """
    read, problems = jsonlines.read(name, raw, _TEXTS)
    rows = {str(id_): Example(row["title"], row["summary"], row["url"], row["section"]) for id_, row in read.items()}
    past = [row for row in rows.values() if row.section]
    new = {id_: row for id_, row in rows.items() if not row.section}
    model = learn(past, list(new.values()))
    if model is None:
        several = len({row.section for row in past})
        said = f"{name}: expected rows of at least two sections to learn from, got {len(past)} of {several}"
        return {"input": name, "error": said, "problems": problems}
    found = dict(zip(new, model.guesses(list(new.values())), strict=True))
    return {
        "input": name,
        "sections": {id_: guess.section_id for id_, guess in found.items()},
        "confidence": {id_: guess.confidence for id_, guess in found.items()},
        "problems": problems,
    }
