"""Chromium with a keyboard: pages opened, keys pressed, scripts run, pictures taken. Wants a chromium on this machine.

It is spoken to by its own DevTools protocol over a pair of pipes, so that nothing has to be installed beside it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromium import BINARY

_KEYS = {
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Space": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
}
_PATIENCE_S = 60.0
_MOVED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


class Browser:
    """One page of a headless Chromium."""

    def __init__(self, reading: Any, writing: Any) -> None:
        self._reading, self._writing = reading, writing
        self._number = 0
        self._session: str | None = None
        self._loads = 0
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")
        self.ask("Runtime.enable")

    def ask(self, method: str, **values: Any) -> dict[str, Any]:
        """The result of a DevTools command; AssertionError with what Chromium says against it."""
        self._number += 1
        number = self._number
        session = {"sessionId": self._session} if self._session else {}
        self._writing.write(json.dumps({"id": number, "method": method, "params": values, **session}).encode() + b"\0")
        self._writing.flush()
        while (said := self._heard()).get("id") != number:
            pass
        assert "error" not in said, f"{method}: {said['error']}"
        return dict(said["result"])

    def _heard(self) -> dict[str, Any]:
        text = bytearray()
        while (letter := self._reading.read(1)) != b"\0":
            assert letter, "Chromium is gone"
            text += letter
        said: dict[str, Any] = json.loads(text)
        self._loads += said.get("method") == "Page.loadEventFired"
        return said

    def open(self, url: str) -> None:
        """Go to `url` and wait until it is loaded."""
        before = self._loads
        self.ask("Page.navigate", url=url)
        self._loaded(before)

    def _loaded(self, before: int) -> None:
        ends = time.monotonic() + _PATIENCE_S
        while self._loads == before and time.monotonic() < ends:
            self.run("0")  # events come with the answers
            time.sleep(0.02)
        assert self._loads > before, "the page was not loaded"

    def run(self, script: str) -> Any:
        """The value of a script, awaited if it is a promise."""
        said = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def press(self, key: str, *, loads: bool = False) -> None:
        """One key of the keyboard; with `loads`, wait for the page that it leads to."""
        before = self._loads
        self.ask("Input.dispatchKeyEvent", type="keyDown", **_KEYS[key])
        self.ask("Input.dispatchKeyEvent", type="keyUp", **_KEYS[key])
        if loads:
            self._loaded(before)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.ask("Input.insertText", text=text)

    def tab_to(self, selector: str) -> None:
        """Press Tab until what fits `selector` has the focus; AssertionError if it never gets it, or shows it not."""
        for _ in range(60):
            self.press("Tab")
            if self.run(f"document.activeElement.matches({json.dumps(selector)})"):
                assert self.run("getComputedStyle(document.activeElement).outlineStyle !== 'none'"), (
                    f"{selector} has the focus and does not show it"
                )
                return
        raise AssertionError(f"Tab never comes to {selector}")

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """A window of this size, light or dark."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browsing(*options: str) -> Iterator[Browser]:
    """A browser of its own, closed at the end."""
    assert BINARY
    folder = tempfile.mkdtemp(prefix="digest-browser-")
    to_read, its_write = os.pipe()  # the lowest that these four can be is 3 to 6: none overwrites one still needed
    its_read, to_write = os.pipe()
    command = [BINARY, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={folder}", "--remote-debugging-pipe", *options]
    # Chromium reads from 3 and writes to 4.
    start = [sys.executable, "-c", _MOVED, str(its_read), str(its_write), *command]
    process = subprocess.Popen(start, pass_fds=(its_read, its_write), stderr=subprocess.DEVNULL)
    os.close(its_read)
    os.close(its_write)
    try:
        with os.fdopen(to_read, "rb") as reading, os.fdopen(to_write, "wb") as writing:
            yield Browser(reading, writing)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
