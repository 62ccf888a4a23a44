"""digest lists: what people subscribe to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from digest.cli import frame
from digest.errors import UsageError

app = frame.noun("What people subscribe to.")

_Id = Annotated[str, typer.Argument(metavar="ID", help="The list's id.")]


def plain(row: Any, members: dict[str, int]) -> dict[str, Any]:
    """A list as --json shows it."""
    keys = ("id", "title", "description", "public", "welcome", "goodbye", "active", "declared_line")
    values = {key: getattr(row, key) for key in keys}
    return values | {"from": row.sender, "reply_to": row.reply_to, "members": members}


@app.command("add")
def add(
    ctx: typer.Context,
    name: _Id,
    title: Annotated[str, typer.Option(help="As subscribers see it.")],
    description: Annotated[str, typer.Option(help="A sentence for the sign-up page.")] = "",
    private: Annotated[bool, typer.Option("--private", help="Not on the sign-up page.")] = False,
    sender: Annotated[str | None, typer.Option("--from", help="A mailbox instead of [mail] from.")] = None,
    reply_to: Annotated[str | None, typer.Option(help="A mailbox instead of [mail] reply_to.")] = None,
    welcome: Annotated[bool, typer.Option("--welcome", help="A letter to whoever has confirmed.")] = False,
    goodbye: Annotated[bool, typer.Option("--goodbye", help="A letter to whoever has left by the page.")] = False,
) -> None:
    """Add a list.

    \b
    Examples:
      digest lists add weekly --title "The Weekly"
      digest lists add board --title "For the board" --private
    """
    from digest import byhand, db

    here = frame.of(ctx)
    given = {"id": name, "title": title, "description": description, "public": not private}
    letters = {"welcome": welcome, "goodbye": goodbye}
    with here.app() as app, db.writing(app.engine) as session:
        row = byhand.add_list(session, app.clock(), **given, from_=sender, reply_to=reply_to, **letters)
        session.flush()
        data = plain(row, {})
    here.out({"list": data}, f'Added the list "{name}".')


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """Show all lists and how many people get them.

    \b
    Example:
      digest lists list
    """
    from sqlmodel import col, select

    from digest import byhand, db
    from digest.models import people

    here = frame.of(ctx)
    with here.app() as app, db.reading(app.engine) as session:
        found = session.exec(select(people.MailingList).order_by(col(people.MailingList.id))).all()
        rows = [plain(row, byhand.members(session, row.id)) for row in found]
    table = [[row["id"], row["title"], _access(row), row["members"].get("confirmed", 0)] for row in rows]
    lines = frame.columns(["ID", "TITLE", "ACCESS", "CONFIRMED"], table)
    here.out({"lists": rows}, lines if rows else "There are no lists yet: digest lists add ID --title TITLE.")


def _access(row: dict[str, Any]) -> str:
    return "off" if not row["active"] else "public" if row["public"] else "private"


@app.command("show")
def show(ctx: typer.Context, name: _Id) -> None:
    """Show one list.

    \b
    Example:
      digest lists show weekly
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.reading(app.engine) as session:
        data = plain(byhand.mailing_list(session, name), byhand.members(session, name))
    members = ", ".join(f"{count:,} {status}" for status, count in data["members"].items()) or "nobody"
    shown = {**data, "access": _access(data), "members": members, "declared in line": data["declared_line"]}
    keys = ("id", "title", "description", "access", "from", "reply_to", "members", "declared in line")
    here.out({"list": data}, [f"{key}: {shown[key]}" for key in keys if shown[key]])


@app.command("form")
def form(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="The public lists that the form is for.")],
    language: Annotated[str | None, typer.Option(help="Instead of [site] language.")] = None,
) -> None:
    """Print a sign-up form for a page of your own: plain HTML that works without a script and from any site.

    \b
    Examples:
      digest lists form weekly > form.html
      digest lists form weekly daily --language de
    """
    from digest import byhand, db
    from digest.web.signup import embedded

    here = frame.of(ctx)
    with here.app() as app:
        with db.reading(app.engine) as session:
            lists = [byhand.mailing_list(session, name) for name in names]
        private = [row.id for row in lists if not (row.public and row.active)]
        if private:
            raise UsageError(f'expected public lists that are switched on, got "{private[0]}"')
        html = embedded(app, lists, language or app.config.site.language)
    here.out({"form": html}, html)


@app.command("remove")
def remove(
    ctx: typer.Context,
    name: _Id,
    yes: Annotated[bool, typer.Option("--yes", help="Also when people are on it.")] = False,
) -> None:
    """Take a list away; one that people were on is switched off, and what they agreed to is kept.

    \b
    Example:
      digest lists remove board
    """
    from digest import byhand, db

    here = frame.of(ctx)
    with here.app() as app, db.writing(app.engine) as session:
        gone = byhand.remove_list(session, name, sure=yes)
    said = "Removed" if gone else "Switched off"
    here.out({"list": {"id": name, "removed": gone}}, f'{said} the list "{name}".')
