"""digest worker: delivery alone, for as long as it runs."""

from __future__ import annotations

import typer

from digest.cli import frame


def command(ctx: typer.Context) -> None:
    """Deliver what becomes due, until Ctrl-C or SIGTERM; any number of workers may run.

    \b
    Example:
      digest worker
    """
    from digest import service
    from digest.cli.running import serve

    serve(frame.of(ctx), [service.deliver])
