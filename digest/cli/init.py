"""digest init: a folder made ready."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from digest.cli import frame
from digest.errors import UsageError


def command(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Default: this folder.")] = None,
) -> None:
    """Write a commented config.toml with a secret of its own and make the database; overwrites nothing.

    \b
    Examples:
      digest init
      digest init newsroom && cd newsroom && digest gather
    """
    from digest.config.shipped import with_secret

    here = frame.of(ctx)
    path = folder / here.path.name if folder else here.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, with_secret(secrets.token_urlsafe(32)))
    except FileExistsError:
        raise UsageError(f"{path} is there already: nothing was written") from None
    except OSError as error:
        raise UsageError(f"{path}: it can't be written: {error.strerror}") from error
    here.path = path
    with here.app() as app:
        database = app.engine.url.render_as_string(hide_password=True)
    then = f"cd {path.parent} && " if folder and path.parent != Path() else ""
    here.out(
        {"config": str(path.absolute()), "database": database},
        [
            f"Wrote {path} and made the database.",
            "It holds a sample newsroom: put in yours, then",
            f"  {then}digest gather            fetches the sources",
            "  digest subscribers add you@example.org --list weekly",
            "  digest publish weekly    composes and mails an issue",
        ],
    )


def _write(path: Path, text: str) -> None:
    # It holds a secret: nobody else may read it, from the first byte on.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
