"""An edition's settings survive the database."""

from __future__ import annotations

import json

from digest.config import EditionConfig
from digest.config.reading import read
from digest.config.shipped import shipped
from digest.config.stored import edition_from_json, edition_to_json


def test_every_setting_comes_back() -> None:
    edition = read(shipped(), {}).editions[0]
    assert edition_from_json(json.loads(json.dumps(edition_to_json(edition)))) == edition


def test_what_an_older_program_stored_gets_defaults() -> None:
    assert edition_from_json({"id": "a", "list": "a", "title": "A"}) == EditionConfig("a", "a", "A")


def test_what_a_newer_program_stored_is_left_out() -> None:
    ranking = {"half_life_h": 10.0, "novelty": 2}
    sections = [{"id": "x", "title": "X", "colour": "red", "match": {"kind": ["A"], "mood": ["good"]}}]
    stored = {"id": "a", "list": "a", "title": "A", "sparkle": True, "ranking": ranking, "sections": sections}
    edition = edition_from_json(stored)
    assert edition.ranking.half_life_h == 10
    assert edition.sections[0].match is not None
    assert edition.sections[0].match.kind == ("A",)
