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


def poster(wide: str, narrow: str, path: Path) -> None:
    """The top of two mails side by side, the second on a dark telephone, as a PNG of 1120 x 1240."""
    frames = "".join(
        f'<iframe width="{width}" height="{height}" style="color-scheme:{scheme};{style}"'
        f' srcdoc="{markup.escape(html)}"></iframe>'
        for html, width, height, scheme, style in (
            (wide, 600, 1180, "light", "left:60px;top:60px"),
            (narrow, 320, 1060, "dark", "left:730px;top:60px;border:5px solid #17191c;border-radius:26px"),
        )
    )
    style = "body{margin:0;background:#efece4}iframe{position:absolute;border:0;box-shadow:0 10px 40px #0003}"
    _show(f'<!doctype html><meta charset="utf-8"><style>{style}</style>{frames}', (1120, 1240), f"--screenshot={path}")


def _run(html: str, box: tuple[int, int], action: str, dark: bool = False) -> str:
    scheme, (width, height) = "dark" if dark else "light", box
    page = _PAGE.format(scheme=scheme, width=width, height=height, mail=markup.escape(html))
    return _show(page, box, action, dark)


def _show(content: str, box: tuple[int, int], action: str, dark: bool = False) -> str:
    assert BINARY
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(content)
        command = [BINARY, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--user-data-dir={folder}/profile"]
        command += ["--allow-file-access-from-files", f"--window-size={box[0]},{box[1]}", action, str(page)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return ran.stdout
