"""The tests find an engine that is wrong (R-52), and nothing to say against the one that is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutants import MUTANTS, Mutant, caught, copied, mutate, run


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_wrong_engine_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    mutate(folder, mutant)
    said = run(folder, [mutant.test])
    assert caught(said), said.stdout + said.stderr


@pytest.mark.slow
def test_the_engine_as_it_is_passes_the_same_tests_in_a_copy(tmp_path: Path) -> None:
    said = run(copied(tmp_path), sorted({mutant.test for mutant in MUTANTS}))
    assert said.returncode == 0, said.stdout + said.stderr
