"""digest subscribers: people, what they agreed to, and who stays away."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from digest.cli import frame, people, persons, suppressions, transfers
from digest.errors import NeedsDecision, NotFound, NothingToDo, UsageError

app = frame.noun("People: add, import, show, tag, unsubscribe, suppress.")

_Tag = Annotated[str, typer.Argument(metavar="TAG")]
_Whom = Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS...]")]


@app.command("add")
def add(
    ctx: typer.Context,
    address: people.Who,
    *,
    list_id: people.In,
    confirmed: people.Confirmed = False,
    consent: people.ConsentText = "",
    name: Annotated[str, typer.Option(help="How they are addressed.")] = "",
) -> None:
    """Put somebody on a list: asked by mail, or at once with --confirmed.

    \b
    Examples:
      digest subscribers add ann@example.org --list weekly
      digest subscribers add ann@example.org --list weekly --confirmed --consent "signed up at our stand, 3 May 2026"
    """
    from digest import db
    from subscribers import joining

    here = frame.of(ctx)
    with here.app() as opened, people.said(), db.writing(opened.engine) as session:
        people.known_list(session, list_id)
        sign_up = joining.SignUp(address, (list_id,), name=name, text=consent)
        means: dict[str, Any] = {
            "key": opened.instance.suppression_key,
            "now": opened.clock(),
            "random_bytes": os.urandom,
        }
        if confirmed:
            outcome = joining.admit(session, sign_up, **means)[list_id]
        else:
            joined = joining.join(session, sign_up, **means, method="command", private=True)
            people.enqueue(opened, session, joined.sends)
            outcome = "asked" if joined.sends else "unchanged"
    if outcome in ("left", "suppressed"):
        raise NeedsDecision(_ADDED[outcome])
    if outcome == "unchanged":
        raise NothingToDo(_ADDED[outcome])
    here.out({"address": address, "list": list_id, "outcome": outcome}, _ADDED[outcome])


_ADDED = {
    "new": "Added and confirmed.",
    "updated": "Was pending; confirmed now.",
    "asked": "Asked by mail; on the list once they press the button in it.",
    "unchanged": "Nothing to do: on the list already, suppressed, or asked by mail lately.",
    "left": "They left this list or said that they did not ask: only their own sign-up brings them back.",
    "suppressed": "The address is suppressed: nothing is sent to it.",
}


@app.command("list")
def list_(
    ctx: typer.Context,
    list_id: people.On = None,
    status: Annotated[str | None, typer.Option(help="pending, confirmed, unsubscribed or declined.")] = None,
    where: people.Where = "",
    search: Annotated[str, typer.Option(metavar="TEXT", help="Part of the address or name.")] = "",
    after: Annotated[int, typer.Option(help="Go on after the person with this id.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most people shown.")] = 100,
) -> None:
    """Show people, page by page.

    \b
    Examples:
      digest subscribers list
      digest subscribers list --list weekly --status pending --after 4711
      digest subscribers list --search example.org
      digest subscribers list --where 'tag = vip and not language = de'
    """
    from digest import db
    from subscribers import standing
    from subscribers.models import Status

    if status is not None and status not in list(Status):
        raise UsageError(f"--status: expected {', '.join(Status)}, got {status!r}")
    here = frame.of(ctx)
    with here.app() as opened, people.said(), db.reading(opened.engine) as session:
        if list_id is not None:
            people.known_list(session, list_id)
        only = people.chosen(opened, session, where, list_id)
        found = standing.listing(
            session, list_id=list_id, status=status, where=only, search=search, after=after, limit=limit
        )
    last = found[-1]["id"] if len(found) == limit else None
    rows = [
        (one["id"], one["email"], one["name"], ", ".join(f"{where}: {how}" for where, how in one["lists"].items()))
        for one in found
    ]
    more = [f"There may be more: --after {last}"] if last else []
    here.out({"subscribers": found, "next": last}, frame.columns(("id", "address", "name", "lists"), rows) + more)


@app.command("show")
def show(ctx: typer.Context, address: people.Who) -> None:
    """Show all that is kept about an address: lists, proof of consent, suppressions.

    \b
    Examples:
      digest subscribers show ann@example.org
    """
    from digest import db
    from subscribers import standing
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    with here.app() as opened, people.said(), db.reading(opened.engine) as session:
        page = standing.person(session, normalise(address).normalised, key=opened.instance.suppression_key)
    places = [
        (place["list_id"], place["status"], place["confirmed_at"], place["left_at"]) for place in page["subscriptions"]
    ]
    proofs = [
        (proof["at"], proof["list_id"], proof["action"], proof["method"], proof["text"]) for proof in page["consent"]
    ]
    human = [f"{page['email']}  {page.get('name', '')}".rstrip()]
    human += [f"{name}: {value}" for name, value in page.get("attributes", {}).items()]
    human += [f"tags: {', '.join(page['tags'])}"] if page.get("tags") else []
    human += [""]
    human += [*frame.columns(("list", "status", "confirmed", "left"), places), ""]
    human += frame.columns(("at", "list", "what", "how", "words"), proofs)
    human += [
        f"Suppressed {row['scope'] or 'everywhere'} since {row['at']:%Y-%m-%d}: {row['reason']}"
        for row in page["suppressions"]
    ]
    here.out({"subscriber": page}, human)


@app.command("unsubscribe")
def unsubscribe(ctx: typer.Context, address: people.Who, list_id: people.On = None) -> None:
    """End somebody's subscriptions, all or one; they can come back by signing up.

    \b
    Examples:
      digest subscribers unsubscribe ann@example.org
      digest subscribers unsubscribe ann@example.org --list weekly
    """
    from digest import db
    from subscribers import leaving, standing
    from subscribers.addresses import normalise

    here = frame.of(ctx)
    with here.app() as opened, people.said(), db.writing(opened.engine) as session:
        handle, lists = standing.lists_of(session, normalise(address).normalised)
        concerned = lists if list_id is None else [list_id]
        if list_id is not None and list_id not in lists:
            raise NotFound(f"{address} was never on the list {list_id!r}")
        for one in concerned:
            leaving.unsubscribe(session, handle, one, method="command", now=opened.clock())
    here.out({"address": address, "lists": concerned}, f"{address} is on none of: {', '.join(concerned) or 'no list'}.")


@app.command("tag")
def tag(ctx: typer.Context, name: _Tag, addresses: _Whom = None, where: people.Where = "") -> None:
    """Put a tag on people, by their addresses or by a filter.

    \b
    Examples:
      digest subscribers tag vip ann@example.org bob@example.org
      digest subscribers tag quiet --where "missed weekly 12 and missed weekly 13"
    """
    from subscribers import tagging

    _tagged(ctx, name, addresses or [], where, tagging.tag, "tagged")


@app.command("untag")
def untag(ctx: typer.Context, name: _Tag, addresses: _Whom = None, where: people.Where = "") -> None:
    """Take a tag off people, by their addresses or by a filter.

    \b
    Example:
      digest subscribers untag vip --where "tag = vip"
    """
    from subscribers import tagging

    _tagged(ctx, name, addresses or [], where, tagging.untag, "untagged")


def _tagged(ctx: typer.Context, name: str, addresses: list[str], where: str, do: Callable[..., int], word: str) -> None:
    from sqlalchemy import and_, true

    from digest import db
    from subscribers.addresses import normalise
    from subscribers.attributes import tags
    from subscribers.columns import table
    from subscribers.models import Subscriber

    if not addresses and not where:
        raise UsageError("expected addresses, or --where with a filter")
    if not tags([name]):
        raise UsageError("expected a tag that is not blank")
    here = frame.of(ctx)
    with here.app() as opened, people.said(), db.writing(opened.engine) as session:
        meant = people.chosen(opened, session, where)
        wanted = [normalise(address).normalised for address in addresses]
        named = table(Subscriber).c.email.in_(wanted) if wanted else true()
        count = do(session, tags([name])[0], and_(named, true() if meant is None else meant))
    here.out({"tag": tags([name])[0], word: count}, f"{people.counted(count)} {word}.")


for _verb, _command in {**transfers.VERBS, **suppressions.VERBS, **persons.VERBS}.items():
    app.command(_verb)(_command)
