"""Kinds of sources: feeds, sitemaps, pages, WordPress, folders of Markdown. One file per kind, one door, one Entry."""

from __future__ import annotations

from digest.gather.kinds.reading import address, read, recognised

__all__ = ["address", "read", "recognised"]
