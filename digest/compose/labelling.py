"""Sections for a file of articles, some of which have one: what composing guesses, without a newsroom. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from digest.compose.learning import Example, learn

_TEXTS = ("title", "summary", "url", "section")


def inspect_sections(name: str, raw: bytes) -> dict[str, Any]:
    """The best guess for each row without a section, however unsure, or `error`; a sentence for each bad line.

    A line is a JSON object `{"id","title","summary","url","section"}`; all but `id` and `title` may be missing.
    """
    rows: dict[str, Example] = {}
    problems = []
    for number, line in enumerate(raw.splitlines(), 1):
        if line.strip():
            try:
                id_, row = _read(line)
            except _BadLine as error:
                problems.append(f"{name} line {number}: {error}; it is left out")
                continue
            if id_ in rows:
                problems.append(f'{name} line {number}: expected an id of its own, got "{id_}" again; it is left out')
            rows.setdefault(id_, row)
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


class _BadLine(Exception):
    """What is expected, and what stands there."""


def _read(line: bytes) -> tuple[str, Example]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise _BadLine("expected JSON in UTF-8, got something else") from None
    if not isinstance(row, Mapping):
        raise _BadLine(f"expected a JSON object with id and title, got a {type(row).__name__}")
    id_ = row.get("id")
    if isinstance(id_, bool) or not isinstance(id_, str | int) or id_ == "":
        raise _BadLine("id: expected a text or a whole number, got none")
    texts = {key: row.get(key) or "" for key in _TEXTS}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise _BadLine(f"{key}: expected a text, got a {type(value).__name__}")
    if not texts["title"].strip():
        raise _BadLine("title: expected a text, got none")
    return str(id_), Example(texts["title"], texts["summary"], texts["url"], texts["section"])
