"""axe-core on what a browser shows: the file that AXE names, or that of an installed axe-playwright-python."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from chromium import Page


def script() -> Path | None:
    """axe.min.js, None where there is none."""
    if named := os.environ.get("AXE"):
        return Path(named)
    package = find_spec("axe_playwright_python")
    found = Path(package.origin or "").parent / "axe.min.js" if package else None
    return found if found and found.exists() else None


def violations(shown: Page) -> list[str]:
    """What axe finds wrong on the present page, a line each: rule, and where."""
    source = script()
    assert source
    shown.said(source.read_text(encoding="utf-8") + "; 0")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = shown.said(
        f"axe.run(document, {{runOnly: {rules}}}).then(all => all.violations.map("
        "one => one.id + ': ' + one.nodes.map(node => node.target.join(' ') + ' ' + node.failureSummary).join('; ')))"
    )
    return list(found)
