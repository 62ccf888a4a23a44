"""digest archive: past issues as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from digest.cli import frame
from digest.errors import UsageError

app = frame.noun("Past issues: write them to a folder as pages and feeds.")


@app.command("export")
def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go.")],
    url: Annotated[str | None, typer.Option(help="Where DIR will be served; default: the public archive.")] = None,
) -> None:
    """Write every past issue of the public lists, indexes and feeds to a folder that any web server can serve.

    \b
    Examples:
      digest archive export /srv/www/archive
      digest archive export site --url https://archive.example.org
    """
    from digest.web import site_of
    from digest.web.archive.export import export as written

    if url is not None and not url.startswith(("http://", "https://")):
        raise UsageError(f'--url: expected an address like https://archive.example.org, got "{url}"')
    here = frame.of(ctx)
    with here.app() as app, here.progress() as progress:
        done = written(site_of(app), folder, url, progress)
    data = {"folder": str(folder), **asdict(done)}
    changes = f"{done.written:,} written, {done.unchanged:,} as they were, {done.removed:,} removed"
    issues = "One issue is" if done.issues == 1 else f"{done.issues:,} issues are"
    here.out(data, f"{issues} in {folder}. Its files: {changes}.")
