"""The templates of a folder: looked up by name, never by path (S-D6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2

import digest
from digest.errors import NotFound, TemplateError
from digest.templating.astext import as_text
from digest.templating.inlining import inlined
from digest.templating.sandbox import Sandbox, only_constant_includes
from digest.templating.text import characters, clean, numeric
from digest.templating.wording import ENGLISH, ENGLISH_WORDS, Wording, fitting, read

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_STYLE = re.compile(r"(<mj-style\b.*?</mj-style>)", re.DOTALL)


def template_root() -> Path:
    """The shipped templates: inside the package when installed, beside it in a checkout."""
    package = Path(digest.__file__).parent
    packaged = package / "templates"
    return packaged if packaged.is_dir() else package.parent / "templates"


def templates_beside(file: Path | None) -> Templates:
    """The shipped templates, each replaced by that of the same name in the folder `templates` beside `file`."""
    own = file.parent / "templates" if file else None
    return Templates(template_root(), own if own and own.is_dir() and own != template_root() else None)


class Templates:
    """Every template of `root`, each replaced by that of the same name in `overrides`; listed once, at start."""

    def __init__(self, root: Path, overrides: Path | None = None) -> None:
        self._paths = _listed(root) | (_listed(overrides) if overrides else {})
        self._words = _catalogues(root) | (_catalogues(overrides) if overrides else {})
        self._sandbox = Sandbox(jinja2.FunctionLoader(self._source))

    def names(self, folder: str, suffix: str) -> list[str]:
        """The names that can be asked for, sorted: `names("email", ".mjml.j2")`."""
        found = [name.removeprefix(f"{folder}/").removesuffix(suffix) for name in self._paths if name.endswith(suffix)]
        return sorted(name for name in found if _NAME.fullmatch(name))

    def languages(self) -> list[str]:
        """The languages whose fixed words are known, sorted: BCP 47 tags, English among them."""
        return sorted({ENGLISH, *self._words})

    def wording(self, language: str) -> Wording:
        """The fixed words for a reader of `language`; English where there are none."""
        tag = fitting(language, self._words)
        return Wording(tag, read(self._words[tag])) if tag in self._words else ENGLISH_WORDS

    def constants(self, path: str) -> Mapping[str, Any]:
        """What `path` ("email/parts/tokens.j2") sets at its top: the palette, the words."""
        return vars(self._sandbox.get_template(path).module)

    def html(self, name: str, context: Mapping[str, object]) -> str:
        """The HTML of email/`name`: of its MJML, or of email/`name`.html.j2 with its style sheet in the elements."""
        if f"email/{name}.mjml.j2" in self._paths or f"email/{name}.html.j2" not in self._paths:
            return self.mjml(name, context)
        return inlined(clean(characters(self._render("email", name, ".html.j2", context))))

    def plain(self, name: str, context: Mapping[str, object], html: str) -> str:
        """The text part: email/`name`.txt.j2, or what `html` says where there is none."""
        return self.text(name, context) if f"email/{name}.txt.j2" in self._paths else as_text(html)

    def text(self, name: str, context: Mapping[str, object]) -> str:
        """The plain text of email/`name`.txt.j2."""
        return self._render("email", name, ".txt.j2", context)

    def mjml(self, name: str, context: Mapping[str, object]) -> str:
        """The HTML of email/`name`.mjml.j2: Jinja first, then one MJML compile.

        Everything non-ASCII travels through MJML as numeric references, so text and attributes arrive as they were.
        """
        from mjml import mjml2html  # what sends frozen mail compiles none

        source = self._render("email", name, ".mjml.j2", context)
        parts = _STYLE.split(clean(source))
        safe = "".join(part if part.startswith("<mj-style") else numeric(part) for part in parts)
        try:
            return characters(mjml2html(safe, fonts={}))  # fonts: none is fetched from elsewhere
        except ValueError as error:
            raise TemplateError(f"template {name}.mjml.j2: not valid MJML: {error}") from error

    def page(self, name: str, context: Mapping[str, object]) -> str:
        """The HTML of pages/`name`.html.j2."""
        return self._render("pages", name, ".html.j2", context)

    def script(self, name: str) -> str:
        """The script pages/`name`.js.j2, which no context changes."""
        return self._render("pages", name, ".js.j2", {})

    def _render(self, folder: str, name: str, suffix: str, context: Mapping[str, object]) -> str:
        full = f"{folder}/{name}{suffix}"
        if not _NAME.fullmatch(name) or full not in self._paths:
            known = ", ".join(self.names(folder, suffix)) or "none"
            raise NotFound(f"there is no template {name[:64]!r} among the {folder} templates ({known})")
        try:
            spoken = {"wording": self.wording(str(context.get("language") or ENGLISH)), **context}
            return self._sandbox.get_template(full).render(spoken)
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise TemplateError(f"template {_place(error, full)}: {_said(error)}") from error

    def _source(self, name: str) -> tuple[str, str, Callable[[], bool]] | None:
        path = self._paths.get(name)
        if path is None:
            return None
        source = path.read_text(encoding="utf-8")
        only_constant_includes(self._sandbox.parse(source, name))
        return source, name, lambda: True  # the name stands in tracebacks


def _listed(root: Path) -> dict[str, Path]:
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.j2")) if path.is_file()}


def _catalogues(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(root.glob("words/*.po"))}


def _said(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _place(error: Exception, name: str) -> str:
    """Where `error` arose: the template, which may be one that `name` includes, and the line in it."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"{error.name or name}, line {error.lineno}"
    trace, where = error.__traceback__, f"{name}, line ?"
    while trace:  # Jinja maps its frames to the lines of templates; the innermost names the place
        if trace.tb_frame.f_code.co_filename.endswith(".j2"):
            where = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return where
