"""digest inspect: what our readers make of a file, as JSON lines."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli import frame
from digest.errors import UsageError

app = frame.noun("Look at a feed or a message as Digest sees it, as JSON lines.")


@app.command("feed")
def feed(
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE_OR_URL...", help="Feeds as files, or as http(s) addresses.")
    ],
    url: Annotated[str, typer.Option(help="Where the files came from: relative links are resolved against it.")] = "",
) -> None:
    """Read feeds and print one JSON line for each; exit code 1 if an input can't be had.

    \b
    Example:
      digest inspect feed saved.rss https://example.org/feed.xml
    """
    failed = False
    for given in inputs:
        told = (
            asyncio.run(_from_address(given)) if given.startswith(("http://", "https://")) else _from_file(given, url)
        )
        failed = failed or told["kind"] is None
        typer.echo(json.dumps(told, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


@app.command("page")
def page(
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE_OR_URL...", help="Pages as files, or as http(s) addresses.")
    ],
    url: Annotated[str, typer.Option(help="Where the files came from: relative links are resolved against it.")] = "",
    urls: Annotated[
        Path | None, typer.Option(metavar="FILE", help='JSON lines {"input","url"}: where each file came from.')
    ] = None,
) -> None:
    """Read articles' pages and print one JSON line for each; exit code 1 if an input can't be had.

    \b
    Example:
      digest inspect page story.html --url https://example.org/story
    """
    from digest.gather.inspecting import inspect_page, page_not_read

    known = _addresses(urls) if urls else {}
    failed = False
    for given in inputs:
        try:
            if given.startswith(("http://", "https://")):
                told = asyncio.run(_page_from_address(given))
            else:
                told = inspect_page(given, Path(given).read_bytes(), url=known.get(given, url))
        except OSError as error:
            told = page_not_read(given, f"{given} can't be read: {error.strerror}")
        failed = failed or (bool(told["problems"]) and not told["title"])
        typer.echo(json.dumps(told, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


@app.command("email")
def email(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Messages as they stood on the wire.")],
) -> None:
    """Hold messages to the standards that ours are held to, and print one JSON line for each.

    \b
    Example:
      digest inspect email demo/messages/0001.eml
    """
    from digest.deliver.lint import inspect_email

    failed = False
    for path in files:
        try:
            told = inspect_email(str(path), path.read_bytes(), loopback=True)
        except OSError as error:
            failed, told = True, {"input": str(path), "error": f"{path} can't be read: {error.strerror}"}
        typer.echo(json.dumps(told, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


@app.command("address")
def address() -> None:
    """Say of each line of stdin whether it is an address that is mailed to, and print one JSON line for each.

    \b
    Example:
      digest inspect address < addresses.txt
    """
    from subscribers.addresses import inspect_address

    for line in sys.stdin.buffer:
        typer.echo(json.dumps(inspect_address(line.decode("utf-8", "replace").rstrip("\r\n")), ensure_ascii=False))


@app.command("stories")
def stories(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help='JSON lines {"id","title","summary","url","source","published"}.'),
    ],
) -> None:
    """Tell which articles of a file tell the same event, and print one JSON line for each file.

    \b
    Example:
      digest inspect stories articles.jsonl
    """
    from digest.compose.telling import inspect_stories

    _files(files, inspect_stories)


@app.command("sections")
def sections(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help='JSON lines {"id","title","summary","url","section"}; the last if known.'
        ),
    ],
) -> None:
    """Guess sections from the rows of the same file that have one, and print one JSON line for each file.

    \b
    Example:
      digest inspect sections articles.jsonl
    """
    from digest.compose.labelling import inspect_sections

    _files(files, inspect_sections)


def _files(files: list[Path], inspect: Callable[[str, bytes], dict[str, Any]]) -> None:
    """One line of JSON for each file; exit code 1 if one can't be had, or has bad lines."""
    failed = False
    for path in files:
        try:
            told = inspect(str(path), path.read_bytes())
        except OSError as error:
            told = {"input": str(path), "error": f"{path} can't be read: {error.strerror}"}
        failed = failed or "error" in told or bool(told["problems"])
        typer.echo(json.dumps(told, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


def _addresses(path: Path) -> dict[str, str]:
    """Where each input came from; UsageError naming the line that is none of {"input","url"}."""
    found = {}
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        raise UsageError(f"--urls: {path} can't be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found[str(row["input"])] = str(row["url"] or "")
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f'--urls: line {number} of {path}: expected {{"input": ..., "url": ...}}') from error
    return found


def _from_file(given: str, url: str) -> dict[str, Any]:
    from digest.gather.inspecting import inspect_feed, not_read

    try:
        return inspect_feed(given, Path(given).read_bytes(), url=url)
    except OSError as error:
        return not_read(given, f"{given} can't be read: {error.strerror}")


async def _from_address(given: str) -> dict[str, Any]:
    from digest.gather.fetch import Fetcher, Limits, agent
    from digest.gather.inspecting import inspect_feed, not_read
    from digest.gather.outcomes import Fetched, Unchanged

    # A person names the address here, so their own network may be asked.
    async with Fetcher(Limits(private=True), agent("")) as fetcher:
        outcome = await fetcher.fetch(given, None, datetime.now(UTC))
    if isinstance(outcome, Fetched):
        return inspect_feed(given, outcome.body, url=outcome.url, content_type=outcome.content_type)
    return not_read(given, "unchanged" if isinstance(outcome, Unchanged) else outcome.sentence)


async def _page_from_address(given: str) -> dict[str, Any]:
    from digest.gather.fetch import Fetcher, Limits, agent
    from digest.gather.inspecting import inspect_page, page_not_read
    from digest.gather.outcomes import Fetched, Unchanged

    async with Fetcher(Limits(private=True), agent("")) as fetcher:
        outcome = await fetcher.fetch(given, None, datetime.now(UTC))
    if isinstance(outcome, Fetched):
        return inspect_page(given, outcome.body, url=outcome.url, content_type=outcome.content_type)
    return page_not_read(given, "unchanged" if isinstance(outcome, Unchanged) else outcome.sentence)
