"""digest gather: fetch the sources."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame

if TYPE_CHECKING:
    from digest.gather.run import GatherReport


def command(
    ctx: typer.Context,
    source: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this source; may be repeated.")] = None,
    now: Annotated[str | None, typer.Option(metavar="T", help="As if it were this instant (ISO 8601).")] = None,
    due: Annotated[bool, typer.Option("--due", help="Only sources whose next look has come.")] = False,
) -> None:
    """Fetch the sources and store what is new.

    \b
    Examples:
      digest gather
      digest gather --source blog
    """
    from digest import pipeline

    here = frame.of(ctx)
    with here.app(frame.clock(now)) as app, here.progress() as progress:
        report = asyncio.run(pipeline.gather(app, only=source or None, force=not due, progress=progress))
    here.out(plain(report), human(report))


def plain(report: GatherReport) -> dict[str, Any]:
    """The report as --json shows it."""
    sources = [{"id": one.id, "state": one.state, "new": one.new, "error": one.error} for one in report.sources]
    return {"sources": sources, "articles_new": report.articles_new, "pages": asdict(report.pages)}


def human(report: GatherReport) -> list[str]:
    """The report for a person: a line a source, and the sum."""
    if not report.sources:
        return ["There are no sources: digest sources add URL, or [[sources]] in config.toml."]
    rows = [[one.id, one.state, one.new, one.error] for one in report.sources]
    table = frame.columns(["SOURCE", "STATE", "NEW", "ERROR"], rows, widest=100) if rows else []
    pages = report.pages
    looked = f"{pages.read} pages read, {pages.failed} failed, {pages.refused} refused by robots.txt."
    told = [looked] if pages.read or pages.failed or pages.refused else []
    return [*table, *filter(None, [report.failed]), f"{report.articles_new} new articles.", *told]
