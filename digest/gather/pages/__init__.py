"""PAGES: bytes of an article's page -> what it says of itself (`read`)."""

from digest.gather.pages.reading import Page, read

__all__ = ["Page", "read"]
