"""digest serve: web, timetable and delivery in one process."""

from __future__ import annotations

import typer

from digest.cli import frame


def command(ctx: typer.Context) -> None:
    """Run web pages, timetable and delivery in one process, until Ctrl-C or SIGTERM.

    \b
    Example:
      digest serve
    """
    from digest import service
    from digest.cli.running import serve

    serve(frame.of(ctx), [service.web, service.timetable, service.deliver])
