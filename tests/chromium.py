"""A mail as Chromium shows it: how wide it gets, and a picture. Wants a chromium on this machine."""

from __future__ import annotations

import html as markup
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

BINARY = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)

# The mail stands in a frame, because a headless window is never narrower than about 500 pixels.
_PAGE = """<!doctype html><meta charset="utf-8"><style>
:root, iframe {{ color-scheme: {scheme} }} body {{ margin: 0 }} iframe {{ border: 0; display: block }}</style>
<iframe id="mail" width="{width}" height="{height}" srcdoc="{mail}"></iframe><pre id="size"></pre>
<script>
document.getElementById("mail").onload = (event) => {{
  const root = event.target.contentDocument.documentElement;
  document.getElementById("size").textContent = `size:${{root.scrollWidth}}x${{root.scrollHeight}}`;
}};
</script>"""


def size(html: str, width: int) -> tuple[int, int]:
    """The width and height in pixels that `html` needs when it is given `width`; wider means that it scrolls."""
    found = re.search(r'id="size">size:(\d+)x(\d+)', _run(html, (width, 200), "--dump-dom"))
    assert found, "Chromium did not show the page"
    return int(found[1]), int(found[2])


def picture(html: str, width: int, path: Path, dark: bool = False) -> None:
    """The whole of `html` at `width` as a PNG."""
    _, height = size(html, width)
    _run(html, (width, height), f"--screenshot={path}", dark=dark)


def _run(html: str, box: tuple[int, int], action: str, dark: bool = False) -> str:
    assert BINARY
    width, height = box
    scheme = "dark" if dark else "light"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(_PAGE.format(scheme=scheme, width=width, height=height, mail=markup.escape(html)))
        command = [BINARY, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--user-data-dir={folder}/profile"]
        command += ["--allow-file-access-from-files", f"--window-size={width},{height}", action, str(page)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return ran.stdout
