"""The layout, held to its word: arrows upstream, no cycles, three kinds of module, small files and functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The order of the data's path; a module imports from its own line or from a line above.
LAYERS = [
    ["subscribers"],
    ["digest", "digest.errors", "digest.timetable", "digest.theme"],
    [
        "digest.config",
        "digest.models",
        "digest.gather_models",
        "digest.pace_models",
        "digest.picture_models",
        "digest.db",
        "digest.blanks",
        "digest.fields",
        "digest.links",
        "digest.slots",
        "digest.templating",
    ],
    ["digest.instance", "digest.opml", "digest.segments"],
    ["digest.gather"],
    ["digest.byhand", "digest.engagement"],
    ["digest.compose"],
    ["digest.deliver"],
    ["digest.pictures", "digest.linkcheck", "digest.previewing"],
    ["digest.keeping"],
    ["digest.feedback"],
    ["digest.wiring", "digest.stopping"],
    ["digest.staff", "digest.adoption"],
    ["digest.readying"],
    ["digest.enqueuing", "digest.doctor", "digest.proofs"],
    ["digest.readership"],
    ["digest.pipeline"],
    ["digest.schedule", "digest.web"],
    ["digest.demo"],
    ["digest.service"],
    ["digest.cli"],
    ["digest.__main__"],
]

# Values in, values out: no database, no socket, no clock, no dice.
PURE = {
    "subscribers.addresses",
    "subscribers.attributes",
    "subscribers.choices",
    "subscribers.formulas",
    "subscribers.keeping",
    "subscribers.meanings",
    "subscribers.segments",
    "subscribers.sorting",
    "subscribers.tokens",
    "digest.blanks",
    "digest.fields",
    "digest.links",
    "digest.theme",
    "digest.opml",
    "digest.config.kinds",
    "digest.config.keys",
    "digest.config.names",
    "digest.config.rules",
    "digest.config.selectors",
    "digest.config.stored",
    "digest.gather.addresses",
    "digest.gather.clean",
    "digest.gather.decide",
    "digest.gather.decoding",
    "digest.gather.entries",
    "digest.gather.feeds",
    "digest.gather.feeds.building",
    "digest.gather.feeds.bylines",
    "digest.gather.feeds.caps",
    "digest.gather.feeds.charset",
    "digest.gather.feeds.jsonfeed",
    "digest.gather.feeds.kickers",
    "digest.gather.feeds.markup",
    "digest.gather.feeds.pictures",
    "digest.gather.feeds.polling",
    "digest.gather.feeds.reading",
    "digest.gather.feeds.times",
    "digest.gather.discovery",
    "digest.gather.alarms",
    "digest.gather.flood",
    "digest.gather.freshness",
    "digest.gather.hosts",
    "digest.gather.inspecting",
    "digest.gather.kinds",
    "digest.gather.kinds.folder",
    "digest.gather.kinds.frontmatter",
    "digest.gather.kinds.page",
    "digest.gather.kinds.reading",
    "digest.gather.kinds.sitemap",
    "digest.gather.kinds.slugs",
    "digest.gather.kinds.wordpress",
    "digest.gather.completing.facts",
    "digest.gather.completing.robots",
    "digest.gather.outcomes",
    "digest.gather.pages",
    "digest.gather.pages.body",
    "digest.gather.pages.bylines",
    "digest.gather.pages.caps",
    "digest.gather.pages.charset",
    "digest.gather.pages.choosing",
    "digest.gather.pages.clues",
    "digest.gather.pages.dates",
    "digest.gather.pages.dating",
    "digest.gather.pages.jsonld",
    "digest.gather.pages.metas",
    "digest.gather.pages.names",
    "digest.gather.pages.near",
    "digest.gather.pages.reading",
    "digest.gather.pages.titles",
    "digest.gather.pages.visible",
    "digest.gather.pages.weights",
    "digest.gather.standing",
    "digest.gather.urls",
    "digest.compose.building",
    "digest.compose.candidates",
    "digest.compose.choosing",
    "digest.compose.content",
    "digest.compose.common",
    "digest.compose.eligibility",
    "digest.compose.readers",
    "digest.compose.personal",
    "digest.compose.placing",
    "digest.compose.dates",
    "digest.compose.printing",
    "digest.compose.evidence",
    "digest.compose.fitting",
    "digest.compose.jsonlines",
    "digest.compose.matching",
    "digest.compose.telling",
    "digest.compose.folding",
    "digest.compose.labelling",
    "digest.compose.learning",
    "digest.compose.ranking",
    "digest.compose.sections",
    "digest.compose.specimens",
    "digest.compose.trying",
    "digest.compose.selecting",
    "digest.compose.stories",
    "digest.compose.rendering",
    "digest.templating.clients",
    "digest.templating.inspection",
    "digest.templating.reading",
    "digest.templating.rows",
    "digest.compose.words",
    "digest.pictures.hosting",
    "digest.pictures.making",
    "digest.linkcheck.judging",
    "digest.web.archive.feeds",
    "digest.feedback.inbox",
    "digest.web.speaking",
    "digest.web.stamp",
    "digest.web.work",
    "digest.deliver.pacing.board",
    "digest.deliver.pacing.breaker",
    "digest.deliver.pacing.causes",
    "digest.deliver.dialogue",
    "digest.deliver.dkim",
    "digest.deliver.enclosures",
    "digest.deliver.headers",
    "digest.deliver.pacing.health",
    "digest.deliver.message",
    "digest.deliver.pacing.jobs",
    "digest.deliver.pacing.lanes",
    "digest.deliver.opened",
    "digest.deliver.pacing.pace",
    "digest.deliver.leases",
    "digest.deliver.lint",
    "digest.deliver.related",
    "digest.deliver.replies",
    "digest.deliver.progress",
    "digest.deliver.retry",
    "digest.deliver.slicing",
    "digest.deliver.pacing.waiting",
    "digest.doctor.findings",
    "digest.doctor.records",
    "digest.doctor.settings",
    "digest.slots",
    "digest.timetable",
}
NOT_PURE = {"sqlalchemy", "sqlmodel", "httpx", "socket", "asyncio", "random", "secrets", "uuid", "time", "aiosmtplib"}
CLOCKS = {"now", "utcnow", "today"}

# Transactions are opened here and nowhere else.
OPENERS = (
    "digest.pipeline",
    "digest.staff",
    "digest.adoption",
    "digest.enqueuing",
    "digest.readying",
    "digest.proofs",
    "digest.readership",
    "digest.wiring",
    "digest.schedule",
    "digest.web",
    "digest.cli",
    "digest.demo",
    "digest.db",
)


def modules() -> dict[str, Path]:
    found = {}
    for root in ("digest", "subscribers"):
        for path in sorted((ROOT / root).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text())


def imports(name: str) -> Iterator[str]:
    """Every module that `name` imports, at the top or inside a function; ours as whole module names."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def layer(name: str) -> int:
    for number, members in enumerate(LAYERS):
        if any(name == member or (member != "digest" and name.startswith(member + ".")) for member in members):
            return number
    raise AssertionError(f"{name} stands in no layer: add it to LAYERS")


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_upstream(name: str) -> None:
    wrong = [other for other in imports(name) if other in MODULES and layer(other) > layer(name)]
    assert wrong == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("subscribers")])
def test_people_know_nothing_of_articles(name: str) -> None:
    assert [other for other in imports(name) if other.split(".")[0] == "digest"] == []


def test_no_cycles() -> None:
    graph = {name: {other for other in imports(name) if other in MODULES and other != name} for name in MODULES}
    while leaves := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in leaves}
    assert graph == {}


@pytest.mark.parametrize("name", sorted(PURE & MODULES.keys()))
def test_pure_modules_are_pure(name: str) -> None:
    assert {other.split(".")[0] for other in imports(name)} & NOT_PURE == set()
    called = [
        node.func.attr
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert [attr for attr in called if attr in CLOCKS] == []


@pytest.mark.parametrize("name", MODULES)
def test_transactions_are_opened_in_few_places(name: str) -> None:
    if name.startswith(OPENERS) or name.endswith((".run", ".writer")):
        return
    calls = [node for node in ast.walk(tree(name)) if isinstance(node, ast.Call)]
    names = {ast.unparse(call.func) for call in calls}
    assert names & {"db.writing", "db.reading", "db.Pen", "writing", "reading", "session.commit"} == set()


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_are_small(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= 400
    long = [
        f"{node.name} {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_what_they_are(name: str) -> None:
    assert ast.get_docstring(tree(name))
