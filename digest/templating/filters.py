"""The filters that templates may use; all other callables are refused by the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache, lru_cache
from typing import Any

import nh3
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.lists import format_list
from jinja2 import pass_context
from jinja2.runtime import Context
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from digest.templating.text import columns, folded, references, wrapped
from digest.templating.wording import ENGLISH_WORDS, Wording, filled

_SCHEMES = {"http", "https", "mailto"}
ISOLATES = ("\u2068", "\u2069")
_TAGS = {"p", "a", "strong", "em", "ul", "ol", "li", "br", "blockquote"}


class Lines(str):
    """Text of several lines that the text part keeps as they are; other strings are folded to one."""

    __slots__ = ()


class Links:
    """The links of a text part, numbered from 1 in the order of their first appearance."""

    def __init__(self) -> None:
        self._urls: list[str] = []

    def number(self, url: str) -> int:
        """The number of `url`, a new one if it was not seen before."""
        if url not in self._urls:
            self._urls.append(url)
        return self._urls.index(url) + 1

    def __iter__(self) -> Any:
        return iter(tuple(self._urls))


@pass_context
def say(context: Context, message: str, **values: object) -> str:
    """The fixed words `message` in the context's language, its {places} filled; what is filled in stands isolated."""
    return _spoken(context, _wording(context).said(message), values)


@pass_context
def say_count(context: Context, one: str, many: str, count: int, **values: object) -> str:
    """`one` or `many`, as the context's language counts; {count} is the number, other {places} as in `say`."""
    return _spoken(context, _wording(context).counted(one, many, count), {"count": count, **values})


@pass_context
def label(context: Context, message: str, **values: object) -> str:
    """`say` without tags, for attributes and titles."""
    return filled(_wording(context).said(message), {name: _isolated(context, value) for name, value in values.items()})


def _spoken(context: Context, message: str, values: Mapping[str, object]) -> str:
    if not context.eval_ctx.autoescape:
        return filled(message, {name: _isolated(context, value) for name, value in values.items()})
    marked = {name: _marked(context, value) for name, value in values.items()}
    return Markup(filled(references(message), marked))  # noqa: S704 - every part of it is escaped


def _marked(context: Context, value: object) -> str:
    if isinstance(value, Markup | int):
        return str(value) if isinstance(value, Markup) else _wording(context).number(value)
    return f"<bdi>{references(str(value))}</bdi>"


def _isolated(context: Context, value: object) -> str:
    if isinstance(value, int):
        return _wording(context).number(value)
    before, after = ISOLATES if context.get("direction") == "rtl" else ("", "")
    return f"{before}{value}{after}"


def _wording(context: Context) -> Wording:
    return context.get("wording") or ENGLISH_WORDS


@pass_context
def other_language(context: Context, tag: str | None) -> str:
    """`tag` where it is of another language than the context's, else ""."""
    own = str(context.get("language") or "en")
    same = (tag or "").partition("-")[0].casefold() in {"", own.partition("-")[0].casefold()}
    return "" if same or tag is None else tag


@pass_context
def day(context: Context, value: date, language: str | None = None) -> str:
    """`value` in words, "Friday, November 20, 2026", in `language` or the context's; English where it is unknown."""
    tag = language or str(context.get("language") or "en")
    return format_date(value, format="full", locale=locale(tag))


@pass_context
def brief_day(context: Context, value: date) -> str:
    """`value` without its year, "Nov 20", in the context's language."""
    return str(format_skeleton("MMMd", value, locale=locale(str(context.get("language") or "en"))))


@pass_context
def names(context: Context, bylines: Iterable[Any]) -> str:
    """Who wrote it: "A, B (Organisation), and C" in the context's language; names in another script stay whole."""
    before, after = ISOLATES if context.get("direction") == "rtl" else ("", "")
    people = [
        f"{before}{byline.name}{after}" + (f" ({before}{byline.organisation}{after})" if byline.organisation else "")
        for byline in bylines
    ]
    return format_list(people, locale=locale(str(context.get("language") or "en")))


@lru_cache(256)
def locale(tag: str) -> Locale:
    """The locale of a BCP 47 tag: the tag's language where the rest is unknown, English where all is."""
    for candidate in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(candidate, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return Locale("en")


@lru_cache(256)
def markdown(source: str, paragraph: str = "", link: str = "", item: str = "") -> Markup:
    """CommonMark as safe HTML: no HTML of its own, no images, links to http, https and mailto alone.

    `paragraph`, `link` and `item` are the style attributes of p, a and li.
    """
    styles = {"p": paragraph, "a": link, "li": item}
    safe = nh3.clean(
        _parser().render(source),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes=_SCHEMES,
        link_rel=None,
        set_tag_attribute_values={tag: {"style": style} for tag, style in styles.items() if style},
    )
    return Markup(safe.strip())  # noqa: S704 - nh3 has just made it safe


@pass_context
def plain(context: Context, source: str) -> Lines:
    """CommonMark as wrapped text; links become numbers of the list of links at the end."""
    blocks: list[str] = []
    marks: list[str] = []
    for token in _parsed(source):
        if token.type == "list_item_open":
            marks.append(f"{token.info}. " if token.info else "- ")
        elif token.type in {"inline", "fence", "code_block"}:
            mark = marks.pop() if marks else ""
            blocks.append(wrapped(mark + _words(context, token)))
    return Lines("\n\n".join(blocks))


def _words(context: Context, token: Token) -> str:
    if token.children is None:
        return token.content.rstrip("\n")
    parts: list[str] = []
    targets: list[str] = []
    for child in token.children:
        if child.type == "link_open":
            targets.append(str(child.attrs["href"]))
        elif child.type == "link_close":
            parts.append(f" {ref(context, targets.pop())}")
        elif child.type == "hardbreak":
            parts.append("\n")
        else:
            parts.append(" " if child.type == "softbreak" else child.content)
    return "".join(parts)


@pass_context
def ref(context: Context, url: str) -> str:
    """The number of `url` in the text part's list of links: "[3]"."""
    return f"[{context['links'].number(url)}]"


def heading(title: str, underline: str = "-") -> Lines:
    """`title` on a line of its own (or several), underlined."""
    title = wrapped(folded(title))
    return Lines(f"{title}\n{underline * max(map(columns, title.split(chr(10))))}")


def wrap(text: str, indent: int = 0) -> Lines:
    """`text` as lines of at most 76 columns, each indented."""
    return Lines(wrapped(" " * indent + folded(text)))


def lines(text: str) -> Lines:
    """The lines that a macro of the text part wrote, without empty ones; each is already wrapped."""
    return Lines("\n".join(line for line in text.split("\n") if line.strip()))


def host(url: str) -> str:
    """The host of `url`, without "www."."""
    return url.partition("://")[2].partition("/")[0].removeprefix("www.")


@lru_cache(256)
def _parsed(source: str) -> tuple[Token, ...]:
    return tuple(_parser().parse(source))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).disable(["image", "html_block", "html_inline", "hr"])
    parser.validateLink = lambda url: url.partition(":")[0].lower() in _SCHEMES  # type: ignore[method-assign]
    # The outline of the mail is the template's: a heading typed by staff is a bold paragraph.
    parser.add_render_rule("heading_open", lambda *_: "<p><strong>")
    parser.add_render_rule("heading_close", lambda *_: "</strong></p>\n")
    return parser


FILTERS: Mapping[str, Callable[..., Any]] = {
    "brief_day": brief_day,
    "day": day,
    "heading": heading,
    "host": host,
    "label": label,
    "lines": lines,
    "markdown": markdown,
    "names": names,
    "other_language": other_language,
    "plain": plain,
    "ref": ref,
    "say": say,
    "say_count": say_count,
    "wrap": wrap,
}

# Of Jinja's own: those that neither reach attributes by name (attr, map, groupby) nor format nor multiply text.
BUILT_IN: Iterable[str] = [
    *(
        "abs",
        "batch",
        "capitalize",
        "count",
        "d",
        "default",
        "e",
        "escape",
        "first",
        "forceescape",
        "int",
        "join",
        "last",
    ),
    *("length", "list", "lower", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr"),
    *("slice", "sort", "string", "title", "trim", "truncate", "upper", "urlencode"),
]
