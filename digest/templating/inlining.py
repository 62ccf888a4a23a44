"""A newsroom's own HTML made fit for mail: the rules of its style blocks written into the elements (A-11)."""

from __future__ import annotations

import re

from css_inline import CSSInliner, InlineError

from digest.errors import TemplateError

_STYLE = re.compile(r"(<[a-z][^<>]*?\sstyle=)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_IMPORTANT = re.compile(r"\s*!\s*important\b", re.IGNORECASE)


def inlined(html: str, css: str = "") -> str:
    """`html` with every rule of its style blocks, and of `css`, in the style attributes of the elements it fits.

    What can't stand in an element (media queries, :hover) stays in the style block it came from; of `css` it is lost.
    No file and no address is fetched. `!important` decides between rules and is then left out, so that the media query
    of a dark screen can still win; what an author wrote into an element keeps it. TemplateError if it can't be done.
    """
    kept = {_plain(one) for style in _STYLE.finditer(html) for one in _declarations(style[2]) if _IMPORTANT.search(one)}

    def less(found: re.Match[str]) -> str:
        quote = found[2][0]
        said = (
            one if _plain(one) in kept else _IMPORTANT.sub("", one) for one in _declarations(found[2]) if one.strip()
        )
        return f"{found[1]}{quote}{';'.join(said)}{quote}"

    try:
        whole = CSSInliner(
            load_remote_stylesheets=False, keep_style_tags=True, remove_inlined_selectors=True, extra_css=css or None
        ).inline(html)
    except (InlineError, ValueError) as error:
        raise TemplateError(f"the style sheet can't be written into the elements: {error}") from error
    return _STYLE.sub(less, whole)


def _declarations(quoted: str) -> list[str]:
    return quoted[1:-1].split(";")


def _plain(declaration: str) -> str:
    return re.sub(r"\s+", "", declaration).lower()
