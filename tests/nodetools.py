"""Judges that come from npm: axe-core, which finds what keeps people out, and the Nu HTML checker, which wants java.

`python tests/nodetools.py` fetches both into build/node; where that was not done their tests skip, and say so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chromium import Page

_FOLDER = Path(__file__).parents[1] / "build" / "node"
_PACKAGES = ("axe-core@4.14.1", "vnu-jar@26.9.27")
_MODULES = _FOLDER / "node_modules"
AXE = _MODULES / "axe-core" / "axe.min.js"
VNU = _MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"
JAVA = shutil.which("java")

# A mail is shown inside its reader's page: which part of that is the main one is not the mail's to say.
_OF_PAGES = ("landmark-one-main", "region")
_RUN = """axe.run(document, {resultTypes: ["violations"], rules: RULES}).then((told) => told.violations.map(
  (one) => `${one.id}: ${one.help} (${one.nodes.length}: ${one.nodes[0].html.slice(0, 120)})`))"""


def violations(page: Page, *, mail: bool = False) -> list[str]:
    """What axe-core, with all its rules, finds wrong in the page that is shown; for a `mail`, without its landmarks."""
    page.said(AXE.read_text() + ";0")
    rules = json.dumps({rule: {"enabled": False} for rule in _OF_PAGES if mail})
    found: list[str] = page.said(_RUN.replace("RULES", rules))
    return found


def errors(documents: Mapping[str, str]) -> list[str]:
    """The errors that the Nu HTML checker finds in these documents, by name."""
    assert JAVA
    with TemporaryDirectory() as folder:
        for name, html in documents.items():
            (Path(folder) / f"{name}.html").write_text(html)
        command = [JAVA, "-Xss1m", "-jar", str(VNU), "--format", "json", "--errors-only", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    told: list[dict[str, Any]] = json.loads(done.stderr)["messages"]
    return [f"{Path(one['url']).stem}, line {one.get('lastLine')}: {one['message']}" for one in told]


def main() -> int:
    """Fetch the judges; 1 where there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not here: the tests by axe-core and the Nu HTML checker skip", file=sys.stderr)
        return 1
    _FOLDER.mkdir(parents=True, exist_ok=True)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error")
    return subprocess.run([npm, "install", "--prefix", str(_FOLDER), *quiet, *_PACKAGES], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
