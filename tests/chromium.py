"""A page as Chromium shows it: how wide it gets, a picture, what a script in it finds. Wants a chromium here.

One browser is started and shows page after page; it is spoken to over two pipes, and reaches no network.
"""

from __future__ import annotations

import base64
import html as markup
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

BINARY = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
_OPTIONS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]

_HIGH = 800  # pixels of a window
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " "), "ArrowDown": (40, ""), "ArrowUp": (38, "")}

# Chromium reads from 3 and writes to 4.
_EXEC = """import fcntl, os, sys
asks, answers = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3])
os.dup2(asks, 3), os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])"""


class Page:
    """The one page of a browser."""

    def __init__(self, asks: BufferedWriter, answers: BufferedReader) -> None:
        self._asks, self._answers, self._rest = asks, answers, b""
        self._number, self._session = 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._frame = self.call("Page.getFrameTree")["frameTree"]["frame"]["id"]

    def show(self, html: str, width: int, *, dark: bool = False) -> None:
        """Show `html` in a window of that many pixels, on a light or a dark screen."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        window = {"width": width, "height": _HIGH, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **window)
        self.call("Page.setDocumentContent", frameId=self._frame, html=html)
        self.said("Promise.all([...document.images].map((one) => one.decode().catch(() => 0))).then(() => 0)")

    def open(self, url: str, width: int) -> None:
        """Show what answers at `url`, an address on this machine, in a window of that many pixels."""
        window = {"width": width, "height": _HIGH, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **window)
        self.call("Page.navigate", url=url)
        self.said(
            "new Promise((done) => { if (document.readyState == 'complete') done(0); else onload = () => done(0) })"
        )

    def go(self, url: str) -> None:
        """Open `url`, as typed into the address bar."""
        self.call("Page.navigate", url=url)
        self.settle()

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as a keyboard does: "Tab", "Enter", "Space", "ArrowDown", or a letter."""
        for key in keys:
            code, text = _KEYS.get(key, (ord(key[0].upper()), key if len(key) == 1 else ""))
            down = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code, "text": text}
            self.call("Input.dispatchKeyEvent", type="keyDown", **down)
            self.call("Input.dispatchKeyEvent", type="keyUp", **{**down, "text": ""})

    def settle(self) -> None:
        """Wait until the page that is being opened is there, whichever it is."""
        for _ in range(200):
            time.sleep(0.05)
            with suppress(AssertionError):  # the page that was asked is gone
                if self.said("document.readyState") == "complete":
                    return
        raise AssertionError("the page did not open")

    def size(self) -> tuple[int, int]:
        """The width and height in pixels that what is shown needs; wider than its window means that it scrolls."""
        root = "document.documentElement"
        width, height = self.said(f"[{root}.scrollWidth, {root}.scrollHeight]")
        return int(width), int(height)

    def picture(self, path: Path) -> None:
        """The whole of what is shown as a PNG."""
        # Beyond its window, Chromium shifts a page from right to left that fits into it.
        got = self.call("Page.captureScreenshot", captureBeyondViewport=self.size()[1] > _HIGH)
        path.write_bytes(base64.b64decode(got["data"]))

    def said(self, script: str) -> Any:
        """What the expression `script` comes to in the page, waited for if it is a promise."""
        got = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def call(self, method: str, **given: Any) -> Any:
        """The result of a command of the DevTools protocol; AssertionError with what Chromium says against it."""
        self._number += 1
        asked: dict[str, Any] = {"id": self._number, "method": method, "params": given}
        if self._session:
            asked["sessionId"] = self._session
        self._asks.write(json.dumps(asked).encode() + b"\0")
        self._asks.flush()
        while (answer := json.loads(self._next())).get("id") != self._number:
            pass  # an event
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _next(self) -> bytes:
        while b"\0" not in self._rest:
            more = self._answers.read1(1 << 20)
            assert more, "Chromium is gone"
            self._rest += more
        answer, _, self._rest = self._rest.partition(b"\0")
        return answer


@contextmanager
def page() -> Iterator[Page]:
    """The page of a browser that is started here and ended at the end."""
    assert BINARY
    (theirs, asks), (answers, gives) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-SEc", _EXEC, str(theirs), str(gives), BINARY]
        command += [*_OPTIONS, f"--user-data-dir={folder}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        browser = subprocess.Popen(command, pass_fds=(theirs, gives), **quiet)
        os.close(theirs)
        os.close(gives)
        try:
            with os.fdopen(asks, "wb") as out, os.fdopen(answers, "rb") as back:
                yield Page(out, back)
        finally:
            browser.terminate()
            browser.wait(30)


@dataclass(frozen=True)
class Frame:
    """A mail on a poster: its place and size in pixels; a narrow one is on a telephone."""

    html: str
    left: int
    top: int
    width: int
    height: int
    dark: bool = False


def poster(shown: Page, frames: Sequence[Frame], size: tuple[int, int], path: Path) -> None:
    """The tops of mails on one PNG of that size."""
    width, height = size
    style = (
        f"html{{height:{height}px;overflow:hidden}}body{{margin:0;background:#dcd8cd}}"
        "iframe{position:absolute;border:0;box-shadow:0 10px 40px #0003}"
        ".phone{border:5px solid #17191c;border-radius:26px}"
    )
    placed = "".join(
        f'<iframe class="{"phone" if one.width < 400 else ""}" width="{one.width}" height="{one.height}"'
        f' style="left:{one.left}px;top:{one.top}px" srcdoc="{markup.escape(_darkened(one))}"></iframe>'
        for one in frames
    )
    shown.show(f'<!doctype html><meta charset="utf-8"><style>{style}</style>{placed}', width)
    shown.said("new Promise((done) => setTimeout(done, 1500))")  # frames paint after the page did
    shown.picture(path)


def _darkened(frame: Frame) -> str:
    # The screen is light or dark for all frames of a page, so a dark one is told that it is.
    return frame.html.replace("@media (prefers-color-scheme: dark)", "@media all") if frame.dark else frame.html
