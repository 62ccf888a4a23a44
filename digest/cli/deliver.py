"""digest deliver: work off pending deliveries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli import frame

if TYPE_CHECKING:
    from digest.deliver.run import Delivered


def command(
    ctx: typer.Context,
    issue: Annotated[int | None, typer.Option(metavar="ID", help="Only this issue's deliveries.")] = None,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="Wait for what was put off, until nothing is left to try.")
    ] = False,
    now: Annotated[str | None, typer.Option(metavar="T", help="As if it were this instant (ISO 8601).")] = None,
) -> None:
    """Send what is due. Killed at any instant, start it again: nobody is lost.

    \b
    Examples:
      digest deliver
      digest deliver --issue 12 --until-done
    """
    from digest import pipeline
    from digest.cli.publish import by_state, counts
    from digest.cli.running import say_what_is_left, until_signalled

    here = frame.of(ctx)
    with here.app(frame.clock(now)) as app, here.progress() as progress:

        async def delivering(stop: asyncio.Event) -> Delivered:
            told = await pipeline.deliver(app, issue_id=issue, until_done=until_done, stop=stop, progress=progress)
            say_what_is_left(here, app, issue, stop)
            return told

        delivered = until_signalled(delivering)
    done = any(delivered.counts.values())
    here.out({"deliveries": by_state(delivered)}, counts(delivered.counts) + "." if done else "")
    if not done:
        here.nothing("There was nothing to deliver.")
