"""The shipped config.toml and docs/settings.md hold every key with its default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from digest.config import values
from digest.config.keys import PLACEHOLDER, TABLES, Table
from digest.config.reading import read
from digest.config.shipped import shipped, with_secret

ROOT = Path(__file__).parents[2]
TEXT = shipped().read_text()
# A comment begins with "# ", a switched-off key with "#key".
SWITCHED_ON = re.sub(r"^#(?=[a-z_]+ =|\[)", "", TEXT, flags=re.MULTILINE)


def every_key() -> Iterator[tuple[str, Table, str]]:
    tables = dict(TABLES)
    while tables:
        name, table = tables.popitem()
        for key, kind in table.keys.items():
            yield name, table, key
            if isinstance(kind, Table):
                tables[f"{name}.{key}"] = kind


KEYS = sorted(every_key(), key=lambda one: (one[0], one[2]))
IDS = [f"{name}.{key}" for name, _, key in KEYS]


def written(text: str, name: str) -> list[dict[str, Any]]:
    """The tables called `name` in a TOML text."""
    found: list[Any] = [tomllib.loads(text)]
    for part in name.split("."):
        found = [one[part] for one in found if part in one]
        found = [one for each in found for one in (each if isinstance(each, list) else [each])]
    return found


def default(table: Table, key: str) -> Any:
    found = next(one for one in fields(table.value) if one.name == table.field(key))
    made = found.default_factory() if found.default_factory is not MISSING else found.default
    return dict(made) if hasattr(made, "keys") else list(made) if isinstance(made, tuple) else made


@pytest.mark.parametrize(("name", "table", "key"), KEYS, ids=IDS)
def test_the_shipped_file_holds_every_key(name: str, table: Table, key: str) -> None:
    if name == "editions.sections.match":
        assert re.search(rf"^# Keys: .*\b{key}\b", TEXT, re.MULTILINE)
    else:
        assert any(key in one for one in written(SWITCHED_ON, name))


@pytest.mark.parametrize(("name", "table", "key"), KEYS, ids=IDS)
def test_a_switched_off_key_shows_its_default(name: str, table: Table, key: str) -> None:
    if name == "editions.sections.match":
        return
    line = re.search(rf"^(#?){key} = .*", TEXT[TEXT.index(f"[{name}]") :], re.MULTILINE)
    wanted = default(table, key)
    if line is None or isinstance(table.keys[key], Table) or wanted is MISSING:
        return
    before = TEXT[: TEXT.index(line[0])].splitlines()[-3:]
    if line[1] and wanted not in (None, []):
        assert written(SWITCHED_ON, name)[0][key] == wanted
    elif wanted is None or not line[1]:
        assert "default: " in " ".join([*before, line[0]]) or key in ("old_secrets", "secret")


@pytest.mark.parametrize(("name", "table", "key"), KEYS, ids=IDS)
def test_the_handbook_holds_every_key(name: str, table: Table, key: str) -> None:
    handbook = (ROOT / "docs" / "settings.md").read_text()
    part = re.search(rf"^## `\[+{re.escape(name)}\]+`$(.*?)(?=^## |\Z)", handbook, re.MULTILINE | re.DOTALL)
    assert part
    row = re.search(rf"^\| `{key}` \| .+ \| (.+) \| .+ \|$", part[1], re.MULTILINE)
    assert row
    wanted = default(table, key)
    if wanted is MISSING:
        assert row[1] == "**required**"
    elif isinstance(wanted, int | float) or (isinstance(wanted, str) and wanted):
        assert row[1] == f"`{str(wanted).lower() if isinstance(wanted, bool) else repr(wanted)}`".replace("'", '"')


def test_every_value_has_a_key() -> None:
    described = {table.value: {table.field(key) for key in table.keys} for _, table, _ in KEYS}
    for cls in (getattr(values, name) for name in dir(values) if name.endswith(("Config", "Match"))):
        if cls is not values.Config:
            assert described[cls] == {one.name for one in fields(cls)} - {"line"}
    assert {one.name for one in fields(values.Config)} - {"path"} == set(TABLES)


def test_the_shipped_file_runs_as_it_stands(tmp_path: Path) -> None:
    config = read(shipped(), {})
    assert [one.url for one in config.sources] == ["https://responsiblestatecraft.org/feeds/feed.rss"]
    assert config.editions[0].schedule == "fri 07:00"
    assert [one.style for one in config.editions[0].sections].count("short") == 1
    assert config.editions[0].sections[-1].match is None
    assert config.web.secret == PLACEHOLDER


def test_a_secret_takes_the_place_of_the_placeholder(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(with_secret("s" * 43))
    assert read(tmp_path / "config.toml", {}).web.secret == "s" * 43
