"""What is shipped: the wheel holds the templates and the sample config, and runs away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds only what the wheel brings."""
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def run(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_only_our_two_packages_are_at_the_top(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"digest", "subscribers"}


def test_templates_and_the_sample_config_are_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = {f"digest/{path.relative_to(ROOT)}" for path in (ROOT / "templates").rglob("*") if path.is_file()}
    assert shipped
    assert shipped <= names
    assert "digest/config.toml" in names


def test_a_newsroom_is_started_and_the_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "-c", "import digest; print(digest.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed)
    made = run(installed, tmp_path, "-m", "digest", "init", "newsroom")
    assert (made.returncode, made.stderr) == (0, "")
    assert (tmp_path / "newsroom" / "config.toml").is_file()
    shown = run(installed, tmp_path, "-m", "digest", "demo", "out")
    assert shown.returncode == 0, shown.stderr
    assert list((tmp_path / "out").rglob("*.eml"))
