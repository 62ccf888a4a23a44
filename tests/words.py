"""The fixed words of templates and code, and the catalogues that translate them.

`python tests/words.py` brings every templates/words/*.po up to what is said now: new words come in untranslated (a test
fails until they are), words that are no longer said go out. Run it with the Python that the project is installed in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "templates"
CATALOGUES = TEMPLATES / "words"
_FILTERS = {"say": 1, "label": 1, "say_count": 2}  # how many words in quotes they take
_METHODS = {"said": 1, "counted": 2}


@dataclass(frozen=True, order=True)
class Said:
    """Words that somebody says, and where; `many` is their plural."""

    one: str
    many: str = ""
    where: str = ""


def said() -> list[Said]:
    """All fixed words of templates and code, sorted."""
    return sorted({*_in_templates(), *_in_code()})


def _in_templates() -> Iterator[Said]:
    environment = Environment(autoescape=True)
    environment.filters |= dict.fromkeys(_FILTERS, str)
    for path in sorted(TEMPLATES.rglob("*.j2")):
        tree = environment._parse(path.read_text(encoding="utf-8"), path.name, str(path))
        for node in tree.find_all(nodes.Filter):
            if node.name in _FILTERS:
                words = [node.node, *node.args][: _FILTERS[node.name]]
                yield _words([one.value if isinstance(one, nodes.Const) else None for one in words], path)


def _in_code() -> Iterator[Said]:
    for path in sorted((ROOT / "digest").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
                given = node.args[: _METHODS[node.func.attr]]
                if given and all(isinstance(one, ast.Constant) for one in given):
                    yield _words([getattr(one, "value", None) for one in given], path)


def _words(given: list[object], path: Path) -> Said:
    where = path.relative_to(ROOT).as_posix()
    assert all(isinstance(one, str) for one in given), f"{where}: only words in quotes can be translated, got {given}"
    return Said(*map(str, given), *[""] * (2 - len(given)), where)


def catalogues() -> dict[str, Catalog]:
    """Every shipped catalogue by its language."""
    found = {}
    for path in sorted(CATALOGUES.glob("*.po")):
        with path.open("rb") as file:
            found[path.stem] = read_po(file, locale=path.stem.replace("-", "_"), abort_invalid=True)
    return found


def _head(language: str, catalogue: Catalog) -> str:
    assert catalogue.locale
    return (
        f"# The fixed words of mails and pages: {catalogue.locale.english_name}.\n"
        'msgid ""\nmsgstr ""\n'
        f'"Language: {language}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )


def main() -> None:
    """Bring the catalogues up to date."""
    wanted = Catalog()
    for one in said():
        wanted.add((one.one, one.many) if one.many else one.one, locations=[(one.where, None)])  # type: ignore[list-item]
    for language, catalogue in catalogues().items():
        catalogue.update(wanted, no_fuzzy_matching=True, update_header_comment=False)
        catalogue.obsolete.clear()
        body = BytesIO()
        write_po(body, catalogue, width=0, omit_header=True, sort_output=True, ignore_obsolete=True)
        (CATALOGUES / f"{language}.po").write_bytes(_head(language, catalogue).encode() + body.getvalue())
        print(f"{language}: {sum(not message.string for message in catalogue if message.id)} to translate")


if __name__ == "__main__":
    main()
