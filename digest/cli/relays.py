"""digest relays: the mail servers, how each is doing, pause and resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame

if TYPE_CHECKING:
    from digest.wiring import App

app = frame.noun("The mail servers: how each is doing; pause, resume.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The relay's name in config.toml.")]
_Domain = Annotated[str, typer.Option("--domain", metavar="DOMAIN", help="Only mail to this domain.")]


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """Show every relay: whether it is up, why not, what it has had today, and domains that are paused or slowed.

    \b
    Examples:
      digest relays list
      digest --json relays list
    """
    from digest import db
    from digest.deliver.pacing.standing import described

    here = frame.of(ctx)
    with here.app() as app, db.reading(app.engine) as session:
        data = described(session, app.config, app.clock())
    here.out(data, _table(data) if data["relays"] else "There is no relay in config.toml: [[relays]] declares one.")


@app.command("pause")
def pause(
    ctx: typer.Context,
    name: _Name,
    domain: _Domain = "",
    why: Annotated[str, typer.Option(help="A note for whoever looks next.")] = "",
) -> None:
    """Send nothing over a relay, or nothing to one domain over it, until it is resumed; running senders stop at once.

    \b
    Examples:
      digest relays pause main --why "new certificate"
      digest relays pause main --domain gmail.com
    """
    from digest import db
    from digest.deliver.pacing import standing

    here = frame.of(ctx)
    with here.app() as app, db.writing(app.engine) as session:
        said = standing.pause(session, app.config, name, domain, why, app.clock())
    here.out({"relay": name, "domain": domain or None, "state": "paused"}, f"{said[0].upper()}{said[1:]}.")


@app.command("resume")
def resume(ctx: typer.Context, name: _Name, domain: _Domain = "") -> None:
    """Use a relay again at once, or for one domain, whatever it was paused for; what waited for it waits no longer.

    \b
    Examples:
      digest relays resume main
      digest relays resume main --domain gmail.com
    """
    from digest import db
    from digest.deliver.pacing import standing

    here = frame.of(ctx)
    with here.app() as app:
        with db.writing(app.engine) as session:
            said = standing.resume(session, app.config, name, domain)
        _hurry(app)
    here.out({"relay": name, "domain": domain or None, "state": "up"}, f"{said[0].upper()}{said[1:]}.")


def _hurry(app: App) -> None:
    from digest import db
    from digest.deliver.pacing import memory

    after: int | None = 0
    while after is not None:  # in pieces, so that nobody waits long for the database
        with db.writing(app.engine) as session:
            after = memory.hurry(session, after, app.clock())


def _table(data: dict[str, list[dict[str, Any]]]) -> list[str]:
    relays = [[one["name"], one["host"], one["state"], _day(one), one["cause"]] for one in data["relays"]]
    lines = frame.columns(["RELAY", "HOST", "STATE", "TODAY", "CAUSE"], relays)
    lines += [
        f"{one['sentence'][0].upper()}{one['sentence'][1:]}."
        for relay in data["relays"]
        for one in (relay, *relay["domains"])
        if one["sentence"]
    ]
    paced = [[", ".join(one["domains"]), one["per_second"], one["slowed_to"], _day(one)] for one in data["pace"]]
    return [*lines, "", *frame.columns(["DOMAIN", "PER SECOND", "SLOWED TO", "TODAY"], paced)] if paced else lines


def _day(one: dict[str, Any]) -> str:
    if one["allowed_today"] is None:
        return ""
    return f"{one['today'] or 0:,} of {one['allowed_today']:,}"
