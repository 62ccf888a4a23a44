"""Feeds: bytes in, entries out. RSS 0.9x, 1.0 and 2.0, Atom, JSON Feed; one file per dialect."""

from __future__ import annotations

from digest.gather.feeds.reading import parse

__all__ = ["parse"]
