"""One line of text typed by staff, with `{{ values }}` in it: a subject, a preheader (S-D2)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import jinja2
from jinja2 import nodes

from digest.errors import TemplateError
from digest.templating.sandbox import Sandbox
from digest.templating.text import folded

_LONGEST_SOURCE = 500
_LONGEST_RESULT = 300

# Without loops, calls, lists and multiplication the work and the result are bounded by the length of the line.
_NODES = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.Not,
    nodes.And,
    nodes.Or,
    nodes.Add,
    nodes.Sub,
    nodes.Concat,
    nodes.Keyword,
)
_FILTERS = {"capitalize", "count", "day", "default", "d", "first", "last", "length", "lower", "title", "trim"}
_FILTERS |= {"truncate", "upper"}

_SANDBOX = Sandbox()


def line(source: str, context: Mapping[str, object]) -> str:
    """`source` with its values filled in, as one line of at most 300 characters without control characters.

    TemplateError says in a sentence what is wrong: an unknown value, a block, a call, too long, empty.
    """
    if len(source) > _LONGEST_SOURCE:
        raise TemplateError(f"the line has {len(source)} characters: at most {_LONGEST_SOURCE} are allowed")
    if "{%" in source or "{#" in source:
        raise TemplateError(f"{source!r}: only values in {{{{ ... }}}} are allowed in a line, no blocks or comments")
    try:
        result = folded(_compiled(source).render(context))
    except jinja2.UndefinedError as error:
        raise TemplateError(f"{source!r}: {error.message}; known are {', '.join(sorted(context))}") from error
    except (jinja2.TemplateError, TypeError, ValueError, AttributeError) as error:
        raise TemplateError(f"{source!r}: {str(error).splitlines()[0]}") from error
    if not result or len(result) > _LONGEST_RESULT:
        raise TemplateError(f"{source!r} gives {len(result)} characters: expected 1 to {_LONGEST_RESULT}")
    return result


@lru_cache(64)
def _compiled(source: str) -> jinja2.Template:
    _allow(_SANDBOX.parse(source))
    return _SANDBOX.from_string(source)


def _allow(tree: nodes.Template) -> None:
    for node in (tree, *tree.find_all(nodes.Node)):
        if not isinstance(node, _NODES):
            raise jinja2.exceptions.SecurityError(f"{type(node).__name__} is not allowed in a line")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise jinja2.exceptions.SecurityError(f"the filter {node.name} is not allowed in a line")
