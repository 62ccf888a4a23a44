"""An issue's content printed: the bytes of every variant, made once, with blanks for what is each reader's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from digest.compose.content import IssueContent, articles
from digest.compose.selecting import Offer, Pick, key, said_for
from digest.compose.variants import packed
from digest.errors import NeedsDecision, TemplateError
from digest.fields import Field
from digest.models import Variant


class Rendered(Protocol):
    """What printing needs of rendered content."""

    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def problems(self) -> tuple[str, ...]: ...
    @property
    def fields(self) -> Sequence[Field]: ...


@dataclass(frozen=True)
class Press:
    """How the content becomes bytes, with what the message's head says to everybody."""

    render: Callable[[IssueContent], Rendered]  # with the edition's template and `blank_word`
    blank_word: str  # random, of this issue alone
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Printed:
    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    blank_word: str
    fields: Sequence[Field]


def printed(content: IssueContent, press: Press, name: str, now: datetime, issue_id: int) -> Variant:
    """The content as a variant with the key `name`. NeedsDecision if the rendered issue must not go out."""
    rendered = press.render(content)
    if rendered.problems:
        raise NeedsDecision(f"issue {issue_id} can't go out: {'; '.join(rendered.problems)}")
    parts = rendered.subject, rendered.html, rendered.text
    whole = _Printed(*parts, press.headers, press.blank_word, rendered.fields)
    variant = packed(whole, name, now, issue_id)
    variant.language, variant.articles = content.language, [article.id for article in articles(content)]
    return variant


@dataclass(frozen=True)
class Printer:
    """One issue, and all that its variants are printed with."""

    issue_id: int
    content: IssueContent
    offer: Offer
    press: Press
    now: datetime

    def variant(self, pick: Pick) -> Variant:
        """The variant of a pick. NeedsDecision, saying whose mail it would be, if it must not go out."""
        content = said_for(self.content, pick)
        try:
            return printed(content, self.press, key(self.offer, pick), self.now, self.issue_id)
        except (NeedsDecision, TemplateError) as error:
            first = (
                f'{len(pick.articles)} of its {len(self.offer.articles)} articles, "{articles(content)[0].title}" first'
            )
            why = str(error).removeprefix(f"issue {self.issue_id} can't go out: ")
            raise NeedsDecision(
                f"issue {self.issue_id} can't go out: readers who chose among its sections, authors and languages get "
                f"{first}, in {content.language!r}, and that can't be mailed: {why}"
            ) from error
