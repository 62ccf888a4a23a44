"""Templates tried on issues and letters that hold all they can: what can't be rendered, what breaks a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from digest.blanks import Blank, blank
from digest.compose.rendering import Rendered, render, render_letter
from digest.compose.specimens import ISSUES, LETTERS
from digest.errors import TemplateError
from digest.templating import Templates
from digest.templating.rows import Mail, failures

_WORD = "k3v9q"
_BLANKS = tuple(blank(_WORD, name) for name in Blank)


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a mail; `row` is one of docs/templates.md, or "" where the mail must not go out at all."""

    template: str
    specimen: str
    row: str
    what: str


def mails(templates: Templates) -> list[str]:
    """The names of all mails that the templates make."""
    return sorted({name for suffix in (".mjml.j2", ".html.j2") for name in templates.names("email", suffix)})


def flaws(templates: Templates, name: str) -> Iterator[Flaw]:
    """Everything wrong with the mail called `name`, tried on every specimen of its kind."""
    for specimen in [""] if name in LETTERS else ISSUES:
        try:
            made = _made(templates, name, specimen)
        except TemplateError as error:
            yield Flaw(name, specimen, "", str(error))
            continue
        yield from (Flaw(name, specimen, "", problem) for problem in made.problems)
        mail = Mail(made.subject, made.html, made.text, _BLANKS, issue=name not in LETTERS)
        yield from (Flaw(name, specimen, row, what) for row, what in failures(mail))


def _made(templates: Templates, name: str, specimen: str) -> Rendered:
    if name in LETTERS:
        return render_letter(name, LETTERS[name], templates, _WORD)
    return render(ISSUES[specimen], templates, name, _WORD)
