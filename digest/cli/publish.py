"""digest publish: what staff press."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli import frame

if TYPE_CHECKING:
    from digest.deliver.run import Delivered
    from digest.pipeline import Audience, Published


def command(
    ctx: typer.Context,
    edition: Annotated[str, typer.Argument(help="The edition's id.")],
    now: Annotated[str | None, typer.Option(metavar="T", help="As if it were this instant (ISO 8601).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before mailing.")] = False,
) -> None:
    """Gather, compose, approve where the edition allows, freeze and send an edition now.

    Asks before a first send, and when the list is more than twice what it was. Messages that a server put off are
    left to `digest serve`, `digest worker` or `digest deliver`.

    \b
    Examples:
      digest publish weekly
      digest --json publish weekly --yes
    """
    from digest import pipeline
    from digest.cli.running import say_what_is_left, until_signalled

    here = frame.of(ctx)
    with here.app(frame.clock(now)) as app, here.progress() as progress:

        async def publishing(stop: asyncio.Event) -> Published:
            asked = partial(agree, here, yes=yes)
            done = await pipeline.publish(app, edition, agree=asked, stop=stop, progress=progress)
            say_what_is_left(here, app, done.composed.issue.id, stop)
            return done

        published = until_signalled(publishing)
    here.out(plain(published), human(published))
    if published.delivered is None:
        here.nothing(published.composed.issue.reason)


def agree(here: frame.Frame, audience: Audience, yes: bool) -> None:
    """Say how many people are about to be mailed; ask where that is a surprise."""
    if audience.surprising:
        here.decide(audience.sentence, yes)
    else:
        here.say(audience.sentence)


def plain(published: Published) -> dict[str, Any]:
    """The issue and what became of its deliveries, as --json shows them."""
    from digest.compose.describing import described

    gathered = published.gathered
    return {
        **described(published.composed),
        "sources": [source.__dict__ for source in gathered.sources] if gathered else [],
        "articles_new": gathered.articles_new if gathered else 0,
        "deliveries": by_state(published.delivered),
    }


def human(published: Published) -> list[str]:
    """The same for a person."""
    issue, lines = published.composed.issue, []
    if published.gathered:
        failing = [source for source in published.gathered.sources if source.error]
        lines.append(f"{published.gathered.articles_new} new articles from {len(published.gathered.sources)} sources.")
        lines += [*filter(None, [published.gathered.failed]), *(f"  {one.id}: {one.error}" for one in failing)]
    if published.delivered is None:
        return lines
    lines.append(f'Issue {issue.number} "{issue.subject}": {counts(published.delivered.counts)}.')
    if issue.state == "sending":
        then = (
            f"`digest issues resume {issue.id}` goes on"
            if issue.paused
            else "`digest serve` or `digest deliver` goes on"
        )
        lines.append(
            f"It is {'paused' if issue.paused else 'not done yet'}: {then}, `digest issues status {issue.id}` shows it."
        )
    return lines


def by_state(delivered: Delivered | None) -> dict[str, int]:
    """How many deliveries came to each state, every state named."""
    from digest.models import DeliveryState

    counted = delivered.counts if delivered else {}
    return {state.value: counted.get(state, 0) for state in DeliveryState}


def counts(numbers: Mapping[str, int]) -> str:
    """Numbers of deliveries in words: "988 sent, 2 deferred"."""
    return ", ".join(f"{count:,} {state}" for state, count in numbers.items() if count) or "nobody to mail"
