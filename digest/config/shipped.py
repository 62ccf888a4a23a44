"""The config.toml that ships: what `digest init` starts from."""

from __future__ import annotations

from pathlib import Path

import digest
from digest.config.keys import PLACEHOLDER


def shipped() -> Path:
    """Where it lies: inside the installed package, or at the root of a checkout."""
    package = Path(digest.__file__).parent
    packaged = package / "config.toml"
    return packaged if packaged.is_file() else package.parent / "config.toml"


def with_secret(secret: str) -> str:
    """Its text with `secret` in the place of the placeholder."""
    text = shipped().read_text(encoding="utf-8")
    assert text.count(f'"{PLACEHOLDER}"') == 1, "the shipped config.toml holds the placeholder once"
    return text.replace(f'"{PLACEHOLDER}"', f'"{secret}"')
