"""Pictures of mails by a headless Chromium, each as tall as the mail; no script of a mail runs there either."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from hashlib import sha256
from html import escape
from pathlib import Path

from digest.errors import DigestError
from digest.previewing.page import View

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_TALLEST = 16_000  # pixels: more is no picture that anybody looks at
_LONGEST_S = 60
_MEASURE = """document.querySelector("iframe").onload = (event) => {
  const root = event.target.contentDocument.documentElement;
  document.querySelector("output").textContent = `high:${root.scrollHeight}`;
};"""


def binary(which: Callable[[str], str | None] = shutil.which) -> str:
    """The Chromium or Chrome of this machine; DigestError if there is none."""
    found = next((path for name in _NAMES if (path := which(name))), None)
    if found is None:
        raise DigestError("--png: there is no Chromium or Chrome on this machine (looked for chromium, google-chrome)")
    return found


def picture(program: str, view: View, path: Path) -> None:
    """The whole of the view as a PNG at `path`; DigestError if the browser fails."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "view.html")
        page.write_text(_page(view, 200, measured=True), encoding="utf-8")
        found = re.search(r"high:(\d+)", _run(program, folder, page, view, 200, "--dump-dom"))
        height = min(int(found[1]), _TALLEST) if found else 2_000
        page.write_text(_page(view, height, measured=False), encoding="utf-8")
        _run(program, folder, page, view, height, f"--screenshot={path.resolve()}")
    if not path.is_file():
        raise DigestError(f"--png: the browser made no picture {path}")


def _page(view: View, height: int, measured: bool) -> str:
    # The mail stands in a frame: a headless window is never narrower than about 500 pixels. Only the script that
    # measures it may run, and not in the frame. Of a frame with an origin of its own no picture is taken.
    script = base64.b64encode(sha256(_MEASURE.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{script}'; " if measured else ""
    policy = f"default-src 'none'; {allowed}style-src 'unsafe-inline'; img-src https: http: data:"
    scheme = "dark" if view.dark else "light"
    return (
        f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<style>:root, iframe {{ color-scheme: {scheme} }} body {{ margin: 0 }} iframe {{ border: 0; display: block }}"
        f'</style><iframe width="{view.width}" height="{height}" sandbox="allow-same-origin" '
        f'srcdoc="{escape(view.html)}"></iframe>'
        + (f"<output></output><script>{_MEASURE}</script>" if measured else "")
    )


def _run(program: str, folder: str, page: Path, view: View, height: int, action: str) -> str:
    command = [
        program, "--headless", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}/profile",
        f"--blink-settings=preferredColorScheme={0 if view.dark else 1}", f"--window-size={view.width},{height}",
    ]  # fmt: skip
    command += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run as root with its own sandbox
    try:
        ran = subprocess.run(  # noqa: S603 - the program is the one that was found, the page is ours
            [*command, action, page.as_uri()], check=True, capture_output=True, text=True, timeout=_LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise DigestError(f"--png: the browser took longer than {_LONGEST_S} s") from None
    except (subprocess.CalledProcessError, OSError) as error:
        raise DigestError(f"--png: the browser {program} failed: {error}") from None
    return ran.stdout
