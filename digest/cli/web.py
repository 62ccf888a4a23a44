"""digest web: the web pages alone."""

from __future__ import annotations

import typer

from digest.cli import frame


def command(ctx: typer.Context) -> None:
    """Serve the web pages alone, until Ctrl-C or SIGTERM.

    \b
    Example:
      digest web
    """
    from digest import service
    from digest.cli.running import serve

    serve(frame.of(ctx), [service.web])
