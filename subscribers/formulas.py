"""Cells that a spreadsheet must not take for formulas (S-C6). Pure."""

from __future__ import annotations

import re

_BEGINS = r"""(?<![^,;\t|"\r\n])"""
_SIGNS = r"'*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(f"{_BEGINS}(?={_SIGNS})")
_GUARDED = re.compile(f"{_BEGINS}'(?={_SIGNS})")


def guard(cell: str) -> str:
    """The cell with an apostrophe wherever a spreadsheet, whatever its delimiter, would begin a formula."""
    return _FORMULA.sub("'", cell)


def unguard(cell: str) -> str:
    """What `guard` was given."""
    return _GUARDED.sub("", cell) if "'" in cell else cell
