"""From a sender's name another one sees whether its process is gone, and is silent where it can't know."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from digest.deliver import identity


def other(code: str = "") -> subprocess.Popen[str]:
    said = f"from digest.deliver import identity; print(identity.name(), flush=True); {code}"
    return subprocess.Popen([sys.executable, "-c", said], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def test_the_living_are_not_dead_and_the_killed_are() -> None:
    assert not identity.is_dead(identity.name())
    with other("input()") as process:
        assert process.stdout
        name = process.stdout.readline().strip()
        assert not identity.is_dead(name)
        process.kill()
        process.wait()
    assert identity.is_dead(name)


def test_a_process_number_used_again_is_somebody_else() -> None:
    place, process, started, word = identity.name().split("/")
    assert identity.is_dead(f"{place}/{process}/{int(started) - 1}/{word}")


@pytest.mark.parametrize("holder", ["", "a", "4711-abcd", "elsewhere:pid:[1]/999999/5/ab", "/999999/5/ab", "///"])
def test_nobody_is_called_dead_without_proof(holder: str) -> None:
    assert not identity.is_dead(holder)


def test_two_senders_of_one_process_differ() -> None:
    assert identity.name() != identity.name()
    assert f"/{os.getpid()}/" in identity.name()
