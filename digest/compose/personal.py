"""The merge fields in what staff wrote for an issue, made into blanks; no other text is read for them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from digest.compose.content import ArticleContent, IssueContent, Sponsor
from digest.fields import Field, found, marked, mistake, plain


def personal(content: IssueContent, word: str) -> tuple[IssueContent, tuple[Field, ...], tuple[str, ...]]:
    """The content with blanks of `word` for its fields, the fields by their numbers, and what is wrong with some."""
    texts: list[str] = []

    def gather(text: str) -> str:
        texts.append(text)
        return text

    _by_staff(content, gather)
    fields = found(texts)
    mistakes = tuple(dict.fromkeys(filter(None, map(mistake, texts))))
    return _by_staff(content, partial(marked, word=word, fields=fields)) if fields else content, fields, mistakes


def impersonal(content: IssueContent) -> IssueContent:
    """The content as it is for a reader of whom nothing is known."""
    return _by_staff(content, plain)


def _by_staff(content: IssueContent, put: Callable[[str], str]) -> IssueContent:
    """The content with each text that an editor wrote for this issue put through `put`."""
    words: dict[str, Any] = {name: put(getattr(content, name)) for name in (*content.by_hand, "intro", "outro")}

    def article(one: ArticleContent) -> ArticleContent:
        own: dict[str, Any] = {name: put(getattr(one, name)) for name in one.by_hand}
        return replace(one, **own) if own else one

    sections = tuple(
        replace(
            section,
            note=put(section.note),
            question=put(section.question),
            articles=tuple(map(article, section.articles)),
        )
        for section in content.sections
    )
    return replace(
        content,
        lead=article(content.lead) if content.lead else None,
        sections=sections,
        latest=tuple(map(article, content.latest)),
        sponsor=_sponsor(content.sponsor, put) if content.sponsor else None,
        **words,
    )


def _sponsor(sponsor: Sponsor, put: Callable[[str], str]) -> Sponsor:
    words: dict[str, Any] = {name: put(getattr(sponsor, name)) for name in ("label", "title", "url", "text")}
    return replace(sponsor, **words)
