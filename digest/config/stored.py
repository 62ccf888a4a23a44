"""An edition's settings as JSON, as they lie in `Edition.settings`, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

from digest.config.values import EditionConfig, RankingConfig, SectionConfig, SectionMatch


def edition_to_json(edition: EditionConfig) -> dict[str, Any]:
    """Plain data that `edition_from_json` turns back into an equal value."""
    plain: dict[str, Any] = _plain(edition)
    return plain


def edition_from_json(raw: Mapping[str, Any]) -> EditionConfig:
    """The edition that was stored; a key that was not stored yet has its default, one no longer known is left out."""
    edition = _known(EditionConfig, raw)
    edition["sections"] = tuple(_section(section) for section in raw.get("sections", ()))
    edition["ranking"] = _ranking(raw.get("ranking", {}))
    return EditionConfig(**edition)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _known(cls: type[Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(cls)}
    return {name: value for name, value in raw.items() if name in names}


def _section(raw: Mapping[str, Any]) -> SectionConfig:
    section = _known(SectionConfig, raw)
    if section.get("match") is not None:
        match = _known(SectionMatch, section["match"])
        section["match"] = SectionMatch(**{key: tuple(words) for key, words in match.items()})
    return SectionConfig(**section)


def _ranking(raw: Mapping[str, Any]) -> RankingConfig:
    ranking = _known(RankingConfig, raw)
    for key, value in ranking.items():
        if isinstance(value, Mapping):
            ranking[key] = MappingProxyType(dict(value))
    return RankingConfig(**ranking)
