"""How the relays are doing, told to people; and what people decide about them. Steps: they never commit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session

from digest.config import Config, RelayConfig
from digest.deliver.pacing import memory
from digest.deliver.pacing.breaker import Standing, sentence
from digest.deliver.pacing.memory import Kept, Key
from digest.deliver.pacing.pace import allowed, day_of
from digest.errors import NotFound, NothingToDo

_CLOSED = Standing()


def described(session: Session, config: Config, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Every relay and every paced domain of the settings, as `digest relays list --json` shows them."""
    day = day_of(now.timestamp())
    kept, used, slowed = memory.standings(session), memory.used(session, day), memory.slowed(session, now)
    relays = [
        {
            "name": relay.name,
            "host": f"{relay.host}:{relay.port}",
            **_standing(relay.name, "", kept),
            "today": used.get((relay.name, ""), 0) if _limited(relay) else None,
            "allowed_today": allowed(day, relay.per_day, relay.warm_up),
            "per_second": relay.per_second,
            "weight": relay.weight,
            "from_domains": list(relay.from_domains),
            "domains": [
                {"domain": domain, **_standing(relay.name, domain, kept)}
                for name, domain in sorted(kept)
                if name == relay.name and domain and not kept[name, domain].standing.closed
            ],
        }
        for relay in config.relays
    ]
    grouped = {one.domains[0]: one for one in config.pace}
    paced = [
        {
            "domains": list(grouped[name].domains) if name in grouped else [name],
            "per_second": grouped[name].per_second if name in grouped else None,
            "slowed_to": slowed[name].rate if name in slowed else None,
            "today": used.get(("", name)),
            "allowed_today": grouped[name].per_day if name in grouped else None,
            "at_once": grouped[name].at_once if name in grouped else None,
        }
        for name in sorted({*grouped, *slowed})
    ]
    return {"relays": relays, "pace": paced}


def pause(session: Session, config: Config, relay: str, domain: str, why: str, now: datetime) -> str:
    """Send nothing over a relay (to one domain, if given) until a person resumes it; what is so now, as a sentence.

    NotFound if there is no such relay; NothingToDo if it is paused by hand already.
    """
    key = _key(config, relay, domain)
    if _now(session, key).by_hand:
        raise NothingToDo(f"{_which(key)} is paused already")
    standing = Standing(by_hand=True, said=why, since=now.timestamp())
    memory.keep(session, key, standing, None)
    return sentence(*key, standing)


def resume(session: Session, config: Config, relay: str, domain: str) -> str:
    """Let mail go over a relay (to one domain, if given) again, whatever it was paused for; what is so now.

    NotFound if there is no such relay; NothingToDo if it is not paused. What was put off waits until `memory.hurry`.
    """
    key = _key(config, relay, domain)
    if _now(session, key).closed:
        raise NothingToDo(f"{_which(key)} is not paused")
    memory.keep(session, key, _CLOSED, None)
    return f"{_which(key)} goes on"


def _key(config: Config, relay: str, domain: str) -> Key:
    if relay not in {one.name for one in config.relays}:
        known = ", ".join(one.name for one in config.relays) or "there is none"
        raise NotFound(f'there is no relay "{relay}" in the settings ({known})')
    asked = domain.lower().rstrip(".")
    return relay, next((one.domains[0] for one in config.pace if asked in one.domains), asked)


def _now(session: Session, key: Key) -> Standing:
    kept = memory.standings(session).get(key)
    return kept.standing if kept else _CLOSED


def _which(key: Key) -> str:
    return f"relay {key[0]}, {key[1]}," if key[1] else f"relay {key[0]}"


def _limited(relay: RelayConfig) -> bool:
    return relay.per_day is not None or relay.warm_up is not None


def _standing(relay: str, domain: str, kept: Mapping[Key, Kept]) -> dict[str, Any]:
    found = kept.get((relay, domain))
    standing = found.standing if found else _CLOSED
    return {
        "state": "up" if standing.closed else "paused" if standing.by_hand else "down",
        "cause": standing.cause or None,
        "said": standing.said or None,
        "since": _instant(standing.since),
        "retry_at": None if standing.by_hand else _instant(standing.retry_at),
        "sentence": sentence(relay, domain, standing) or None,
    }


def _instant(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
