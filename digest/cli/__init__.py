"""The command line: one file per noun; words in, words out, no rules.

A noun is a module `digest.cli.NAME` that stands in `NOUNS`; it is imported when it is used, so that `digest --help`
imports none of them. It holds either

    app        a noun with verbs:   app = frame.noun("What it is about.")  and  @app.command("verb")
    command    a single verb:       def command(ctx: typer.Context, ...) -> None

A verb takes `ctx: typer.Context`, asks `frame.of(ctx)` for settings, app, output and progress, and raises the errors of
`digest.errors`; `frame.EXIT` turns them into exit codes. Its docstring is its help, with examples after a line `\\b`.
--config, --json and -v belong to every command and may stand anywhere in the line.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from digest.cli import frame
from digest.errors import UsageError

# In the order of a newsroom's first day.
NOUNS = {
    "init": "Make a folder ready: a commented config.toml and the database.",
    "demo": "Show the whole path on a sample magazine, into a mailbox on this machine.",
    "sources": "Where articles are gathered from.",
    "lists": "What people subscribe to.",
    "subscribers": "People: add, import, show, tag, unsubscribe, suppress, erase.",
    "consent": "The proof of who agreed to what.",
    "segments": "Filters of people: check one, and how many it means.",
    "gather": "Fetch the sources and store new articles.",
    "articles": "What was gathered; add and hide by hand.",
    "issues": "Compose, preview, edit, approve, send, follow.",
    "archive": "Past issues: write them to a folder as pages and feeds.",
    "templates": "How mails look: list, take copies to change, check.",
    "publish": "Gather, compose, approve and send an edition now.",
    "deliver": "Work off pending deliveries.",
    "feedback": "What comes back by mail.",
    "relays": "The mail servers: how each is doing; pause, resume.",
    "serve": "Web pages, timetable and delivery in one process.",
    "web": "The web pages alone.",
    "scheduler": "The timetable alone.",
    "worker": "Delivery alone, for as long as it runs.",
    "doctor": "Check relays, signing, DNS, database and clock; each finding with its mend.",
    "adopt": "Let a restored or cloned database send: it sends nothing before.",
    "db": "The database: upgrade, tidy, backup.",
    "inspect": "Look at a feed or a message as Digest sees it.",
}

_EVERYWHERE = {"--json": 0, "--config": 1, "-v": 0, "-vv": 0, "--verbose": 0}


class Nouns(TyperGroup):
    """The group of all nouns, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(NOUNS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The noun or verb called `cmd_name`; a usage error with the near one, or None, when there is none."""
        if cmd_name not in NOUNS:
            near = get_close_matches(cmd_name, NOUNS, 1)
            return ctx.fail(f"No such command '{cmd_name}', did you mean {near[0]}?") if near else None
        module = importlib.import_module(f"digest.cli.{cmd_name}")
        if hasattr(module, "app"):
            return get_command(module.app)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(module.command)
        return get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table of nouns in `digest --help`, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


root = typer.Typer(cls=Nouns, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        from digest import __version__

        typer.echo(f"digest {__version__}")
        raise typer.Exit


@root.callback()
def start(
    ctx: typer.Context,
    config: Annotated[
        Path,
        typer.Option(envvar="DIGEST_CONFIG", metavar="FILE", help="The settings."),
    ] = Path("config.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    verbose: Annotated[
        int,
        typer.Option("-v", "--verbose", count=True, show_default=False, help="Say more on stderr; twice: everything."),
    ] = 0,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Digest gathers a newsroom's articles, composes the round-up and mails it.

    \b
    First newsletter:
      digest init
      digest sources add https://example.org/
      digest subscribers add you@example.org --list weekly
      digest publish weekly

    Exit codes: 0 done, 1 failed, 2 bad usage or settings, 3 nothing to do, 4 needs a person's decision.
    """
    ctx.obj = frame.Frame(config, os.environ, as_json=as_json, verbose=verbose)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing but that one sentence of an error gets out."""
    ordered = _hoisted(arguments)
    verbose = sum(word.count("v") for word in ordered if word in ("-v", "-vv", "--verbose"))
    with frame.translated(as_json="--json" in ordered, verbose=verbose) as ended:
        _expect_text(ordered)
        command = get_command(root)
        # Not command.main(): it has a table of errors of its own.
        with command.make_context("digest", ordered) as context:
            command.invoke(context)
    return ended.code


def _expect_text(arguments: Sequence[str]) -> None:
    """UsageError for a word that is no text in UTF-8, unless a file is called that."""
    for word in arguments:
        try:
            word.encode()
        except UnicodeEncodeError:
            if not os.access(word, os.F_OK):
                shown = os.fsencode(word).decode(errors="backslashreplace")
                raise UsageError(f'"{shown}": expected words in UTF-8, and no file is called that') from None


def _hoisted(arguments: Sequence[str]) -> list[str]:
    """`arguments` with the options of every command moved to the front, where the parser knows them."""
    front: list[str] = []
    rest = list(arguments)
    place = 0
    while place < len(rest) and rest[place] != "--":
        word = rest[place]
        if word in _EVERYWHERE or word.startswith("--config="):
            taken = 1 + _EVERYWHERE.get(word, 0)
            front += rest[place : place + taken]
            del rest[place : place + taken]
        else:
            place += 1
    return front + rest


def main() -> None:
    """The command `digest`."""
    sys.exit(run(sys.argv[1:]))
