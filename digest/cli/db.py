"""digest db: the database."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli import frame
from digest.errors import DatabaseUnavailable, NotFound, NothingToDo, UsageError

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import URL, Engine

    from digest.deliver.progress import Watcher

app = frame.noun("The database: upgrade, tidy, backup.")

_PAGES = 1000  # of 4 KB; between two steps others may write


@app.command("upgrade")
def upgrade(ctx: typer.Context) -> None:
    """Bring the schema to the version of this program. Every start does so; this command does nothing else.

    \b
    Example:
      digest db upgrade
    """
    from digest import db

    here = frame.of(ctx)
    with here.engine() as engine:
        before = db.version(engine)
        db.upgrade(engine)
        after = db.version(engine)
    if before == after:
        raise NothingToDo(f"the database has schema {after}, the present one, already")
    said = f"The database has schema {after} now; it had {before}." if before else f"Made the database, schema {after}."
    here.out({"from": before, "to": after}, said)


@app.command("tidy")
def tidy(
    ctx: typer.Context,
    *,
    vacuum: Annotated[bool, typer.Option("--vacuum", help="Rewrite the file, so that nothing erased is left.")] = False,
) -> None:
    """Let go of what is past its time by [retention]; the service does so every day.

    \b
    Examples:
      digest db tidy
      digest db tidy --vacuum
    """
    from digest.keeping import run

    here = frame.of(ctx)
    with here.app() as opened, here.progress() as progress:
        gone = run.tidy(opened.engine, opened.config.retention, opened.clock(), progress)
        rewritten = vacuum and run.rewritten(opened.engine)
    if vacuum and not rewritten:
        raise DatabaseUnavailable("others read or write the database now: its file was not rewritten, try again later")
    counts = ", ".join(f"{count} {name}" for name, count in gone.items())
    here.out({"gone": gone, "file_rewritten": rewritten}, f"Let go: {counts}.")


@app.command("backup")
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; must not exist.")],
) -> None:
    """Copy the database while others work on it: a SQLite file, or for PostgreSQL an archive for pg_restore.

    The copy holds addresses: only its owner may read it. Put back, it sends nothing before `digest adopt`.

    \b
    Examples:
      digest db backup digest-backup.db
      digest db backup "/backups/digest-$(date +%F).db"
    """
    here = frame.of(ctx)
    if file.exists():
        raise UsageError(f"{file} is there already: nothing was written")
    part = file.with_name(file.name + ".part")
    try:
        with here.engine() as engine, here.progress() as progress:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            _copy(engine, part, progress)
        part.rename(file)
    except OSError as error:
        raise UsageError(f"{file}: it can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    size = file.stat().st_size
    here.out({"file": str(file.absolute()), "bytes": size}, f"Wrote {file}, {size:,} bytes.")


def _copy(engine: Engine, to: Path, progress: Watcher) -> None:
    if engine.dialect.name == "sqlite":
        _copy_sqlite(Path(str(engine.url.database)), to, progress)
    else:
        _dump_postgresql(engine.url, to)


def _copy_sqlite(source: Path, to: Path, progress: Watcher) -> None:
    import sqlite3
    from contextlib import closing

    if not source.is_file():
        raise NotFound(f"there is no database at {source} yet (digest db upgrade makes it)")
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(to)) as new:
            old.backup(new, pages=_PAGES, progress=lambda _, left, total: progress("Pages", total - left, total))
            # A copy is one file: without this it would ask for its journal's neighbours.
            new.execute("PRAGMA journal_mode = DELETE")
            _leave_its_seats(new)
    except sqlite3.Error as error:
        raise DatabaseUnavailable(f"the database can't be copied now: {error}") from error


def _leave_its_seats(copy: sqlite3.Connection) -> None:
    # Put back in the very place of the original, the copy would pass for it: whoever starts on it is asked first.
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'seat'").fetchone():
        copy.execute("UPDATE seat SET database = 'copy:' || id")
        never = (
            "SELECT '', 'copy', '', '', 0, created_at, created_at FROM instance WHERE NOT EXISTS (SELECT 1 FROM seat)"
        )
        copy.execute(f"INSERT INTO seat (machine, database, site, host, epoch, adopted_at, seen_at) {never}")
        copy.commit()


def _dump_postgresql(url: URL, to: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise DatabaseUnavailable("expected the program pg_dump (of the package postgresql-client), it is not there")
    # The password goes by the environment: everybody can read a process's arguments.
    environ = {**os.environ, "PGPASSWORD": url.password} if url.password else dict(os.environ)
    place = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    done = subprocess.run(  # noqa: S603 - a list of arguments, no shell; the URL is the owner's own setting
        [program, "--format=custom", f"--file={to}", f"--dbname={place}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.replace("pg_dump: ", "").split())[:300]
        raise DatabaseUnavailable(f"pg_dump could not copy the database: {said or f'exit code {done.returncode}'}")
