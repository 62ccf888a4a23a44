"""A person at the browser of `chromium`: addresses opened, keys pressed, the focus followed."""

from __future__ import annotations

import json
import time
from typing import Any

from chromium import Page

_KEYS: dict[str, dict[str, Any]] = {
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Space": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
}
_PATIENCE_S = 60.0
_DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(0))))"  # `autofocus` works by then


class Person:
    """Somebody who uses `page` without a mouse."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.said = page.said

    def window(self, width: int, *, dark: bool = False) -> None:
        """A window of that many pixels, on a light or a dark screen."""
        self._page.show("", width, dark=dark)

    def open(self, url: str) -> None:
        """Go to `url` and wait until it is loaded."""
        self._leads(lambda: self._page.call("Page.navigate", url=url))

    def press(self, key: str, *, loads: bool = False) -> None:
        """One key of the keyboard; with `loads`, wait for the page that it leads to."""

        def pressed() -> None:
            self._page.call("Input.dispatchKeyEvent", type="keyDown", **_KEYS[key])
            self._page.call("Input.dispatchKeyEvent", type="keyUp", **_KEYS[key])

        if loads:
            self._leads(pressed)
        else:
            pressed()

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self._page.call("Input.insertText", text=text)

    def tab_to(self, selector: str) -> None:
        """Press Tab until what fits `selector` has the focus; AssertionError if it never gets it, or shows it not."""
        for _ in range(60):
            self.press("Tab")
            if self.said(f"document.activeElement.matches({json.dumps(selector)})"):
                outlined = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
                assert self.said(outlined), f"{selector} has the focus and does not show it"
                return
        raise AssertionError(f"Tab never comes to {selector}")

    def _leads(self, done: Any) -> None:
        self.said("window.before = true")
        done()
        ends = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends:
            try:
                if self.said("!window.before && document.readyState === 'complete'"):
                    self.said(_DRAWN)
                    return
            except AssertionError:  # between two pages there is none to ask
                pass
            time.sleep(0.02)
        raise AssertionError("it leads to no page")
