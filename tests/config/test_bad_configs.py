"""Every broken config.toml of the folder produces its own sentences, all of them, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from digest.config.reading import read
from digest.errors import ConfigError

FOLDER = Path(__file__).parents[1] / "corpus" / "bad_configs"
CASES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def test_the_folder_is_there() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_has_its_sentence(case: str, tmp_path: Path) -> None:
    # Under its usual name, as a person would see it. "..." at the end: the words of Python's TOML parser follow.
    path = tmp_path / "config.toml"
    path.write_bytes((FOLDER / f"{case}.toml").read_bytes())
    with pytest.raises(ConfigError) as caught:
        read(path, {})
    expected = (FOLDER / f"{case}.expected").read_text().splitlines()
    assert len(caught.value.problems) == len(expected)
    for said, wanted in zip(caught.value.problems, expected, strict=True):
        assert said.startswith(wanted.removesuffix("...")) if wanted.endswith("...") else said == wanted
