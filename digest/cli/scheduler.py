"""digest scheduler: the timetable alone."""

from __future__ import annotations

import typer

from digest.cli import frame


def command(ctx: typer.Context) -> None:
    """Keep the timetable alone, until Ctrl-C or SIGTERM.

    \b
    Example:
      digest scheduler
    """
    from digest import service
    from digest.cli.running import serve

    serve(frame.of(ctx), [service.timetable])
