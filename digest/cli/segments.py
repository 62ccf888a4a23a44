"""digest segments: what a filter means, before it is used."""

from __future__ import annotations

from typing import Annotated

import typer

from digest.cli import frame, people

app = frame.noun("Filters of people: check one, and how many it means.")


@app.command("check")
def check(
    ctx: typer.Context,
    where: Annotated[str, typer.Argument(metavar="FILTER")],
    list_id: people.On = None,
) -> None:
    """Say whether a filter can be read, and how many people it means; on a list, how many of them would be mailed.

    \b
    Examples:
      digest segments check 'tag = vip and joined > 30 days ago'
      digest segments check 'attributes.city in ("Bern", "Basel") and missed weekly 12' --list weekly
    """
    from digest import db, segments
    from subscribers.audience import size

    here = frame.of(ctx)
    with here.app() as opened, people.said(), db.reading(opened.engine) as session:
        if list_id is not None:
            people.known_list(session, list_id)
        now = opened.clock()
        condition = segments.where(session, where, now=now, list_id=list_id)
        count = segments.size(session, condition)
        mailed = None if list_id is None else size(session, list_id, now, condition)
    human = people.counted(count) + ("" if mailed is None else f", {mailed:,} of them mailable on {list_id}")
    here.out({"filter": where, "list": list_id, "people": count, "mailable": mailed}, human + ".")
