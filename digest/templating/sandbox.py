"""Jinja in a sandbox: plain data and listed filters, nothing else (S-D1, S-D2)."""

from __future__ import annotations

from datetime import date
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.loaders import BaseLoader
from jinja2.nodes import EvalContext
from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from markupsafe import Markup

from digest.templating.filters import BUILT_IN, FILTERS, Lines
from digest.templating.text import folded, references

_PLAIN = frozenset({str, int, bool, tuple, date, Markup})


class Sandbox(ImmutableSandboxedEnvironment):
    """Templates read values, call macros and listed filters; they can't call methods, format or grow text."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, loader: BaseLoader | None = None) -> None:
        super().__init__(
            loader=loader,
            autoescape=_escaped,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.filters = {name: JINJA_FILTERS[name] for name in BUILT_IN} | dict(FILTERS)
        self._judged: dict[tuple[type, str], bool] = {}
        self.policies["truncate.leeway"] = 0
        self.globals = {"namespace": Namespace}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As Jinja's, sooner where it is plain data: most of what an issue's template asks for."""
        value = getattr(obj, attribute, None)
        if type(value) in _PLAIN and self.is_safe_attribute(obj, attribute, value):
            return value
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Jinja's own judgement; it looks at the type and the name alone, so it is remembered by these."""
        known = (type(obj), attr)
        if known not in self._judged:
            self._judged[known] = super().is_safe_attribute(obj, attr, value)
        return self._judged[known]

    def is_safe_callable(self, obj: object) -> bool:
        """Macros, blocks and `loop` alone."""
        inner = getattr(obj, "__self__", None)
        return (
            isinstance(obj, Macro | BlockReference | LoopContext) or isinstance(inner, LoopContext) or obj is Namespace
        )

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Numbers may be multiplied; `'a' * 10**10` and `'%999999999d' % 1` may not."""
        if operator == "**" or not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise SecurityError(f"the operator {operator} is for numbers only and ** for none")
        return super().call_binop(context, operator, left, right)


def only_constant_includes(tree: nodes.Template) -> None:
    """SecurityError if a template is included, imported or extended by a name that comes from data."""
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        if not isinstance(node.template, nodes.Const):  # type: ignore[attr-defined]
            raise SecurityError("templates are included by a name in quotes, not by one from data")


def _escaped(name: str | None) -> bool:
    return name is not None and not name.endswith(".txt.j2")


@pass_eval_context
def _finalize(context: EvalContext, value: object) -> object:
    """What `{{ ... }}` writes: references in markup, one line in text; only plain values."""
    if isinstance(value, Markup | Lines):
        return value
    if isinstance(value, str):
        return Markup(references(value)) if context.autoescape else folded(value)  # noqa: S704 - that is the escaping
    if isinstance(value, int | float | Undefined):
        return value  # an undefined one says so itself when it is written
    raise SecurityError("there is no value" if value is None else f"a {type(value).__name__} is not text")
