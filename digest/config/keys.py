"""Every key of config.toml: which kind of value it holds. What is left out keeps the default that `values` gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from digest.config import values
from digest.config.kinds import Kind, Wrong, day, flag, many, named, number, one_of, path, text, whole
from digest.config.names import (
    ADDRESS,
    BASE,
    BIND,
    DOMAIN,
    FONT,
    HOST,
    HTTPS,
    ID,
    LANGUAGE,
    MAILBOX,
    NETWORK,
    PREFIX,
    SCHEDULE,
    SEGMENT,
    SENDER,
    URL,
    ZONE,
)
from digest.config.selectors import SELECT
from digest.theme import COLOUR, ROLES, THEMES, ThemeConfig

SOURCE_TYPES = ("feed", "sitemap", "page", "wordpress", "folder")
PLACEHOLDER = "change-me-digest-init-makes-a-secret-of-your-own"
_SHORTEST_SECRET = 16
_RENAMED = {"from": "sender"}  # `from` can't be a name in Python


@dataclass(frozen=True)
class Table:
    """A table of the file: the value it becomes, its keys, and which key names one of several."""

    value: type[Any]
    keys: Mapping[str, Kind | Table]
    several: bool = False
    name: str = "id"
    lines: bool = field(default=False)  # whether the value keeps the line it stands on

    def field(self, key: str) -> str:
        """The name of `key` in the value."""
        return _RENAMED.get(key, key)

    def required(self, key: str) -> bool:
        """Whether the value has no default for `key`."""
        found = next(one for one in fields(self.value) if one.name == self.field(key))
        return found.default is MISSING and found.default_factory is MISSING


def _read_secret(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.isprintable():
        raise Wrong("a text without control characters", "something else")
    if len(raw) < _SHORTEST_SECRET:
        raise Wrong(f"a secret of at least {_SHORTEST_SECRET} characters", f"{len(raw)}")
    return raw


def _read_password(raw: Any) -> str:
    if not isinstance(raw, str) or not raw or not raw.isprintable():
        raise Wrong("a text without control characters", "something else")
    return raw


def _read_database(raw: Any) -> str:
    scheme = raw.partition("://")[0] if isinstance(raw, str) else ""
    if scheme in ("postgresql", "postgresql+psycopg"):
        return str(raw)
    if scheme != "sqlite" or not re.fullmatch(r"sqlite:///[^?]+", raw) or ":memory:" in raw:
        raise Wrong("sqlite:///FILE or postgresql://USER@HOST/NAME", f"{scheme}://..." if scheme else "something else")
    return str(raw)


_PALETTE_EXPECTED = f'colours by role ({", ".join(ROLES)}), each like "#9c1c20"'


def _read_palette(raw: Any) -> Mapping[str, str]:
    if not isinstance(raw, dict):
        raise Wrong(_PALETTE_EXPECTED)
    for role, colour in raw.items():
        if role not in ROLES:
            raise Wrong(f"colours by role: {', '.join(ROLES)}", f'"{role}"')
        if not isinstance(colour, str) or not COLOUR.fullmatch(colour.lower()):
            raise Wrong(f'a colour like "#9c1c20" for {role}', f'"{colour}"')
    return MappingProxyType({role: colour.lower() for role, colour in raw.items()})


_PALETTE = Kind(_PALETTE_EXPECTED, _read_palette)
_SECRET = Kind(f"a secret of at least {_SHORTEST_SECRET} characters", _read_secret, secret=True)
_WEIGHT = number(0, 1000)
_TITLE = text(200, empty=False)

_SECTION = Table(
    values.SectionConfig,
    {
        "id": ID,
        "title": _TITLE,
        "match": Table(
            values.SectionMatch,
            {
                key: many(text(200, empty=False), single=True)
                for key in ("source", "section", "category", "kind", "kicker", "author", "keyword", "path")
            },
        ),
        "min": whole(0, 1000),
        "max": whole(1, 1000),
        "floor": _WEIGHT,
        "style": one_of("full", "short", "links", "symposium"),
    },
    several=True,
)

_RANKING = Table(
    values.RankingConfig,
    {
        "half_life_h": number(0.1, 100_000),
        "kinds": named(_WEIGHT),
        "sections": named(_WEIGHT),
        "authors": named(_WEIGHT),
        "image": _WEIGHT,
        "floor": _WEIGHT,
        "max_per_source": whole(1, 1000),
        "max_per_author": whole(1, 1000),
        "diversity": number(0, 10),
        "told": number(0, 1),
        "engagement": number(0, 2),
        "learn": number(0, 0.9),
        "roll_over": whole(0, 52),
    },
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "site": Table(
            values.SiteConfig,
            {
                "name": text(100, empty=False),
                "url": URL,
                "language": LANGUAGE,
                "languages": many(LANGUAGE),
                "timezone": ZONE,
                "postal_address": text(300),
                "social": named(URL),
                "logo": HTTPS,
                "theme": ID,
            },
        ),
        "database": Table(
            values.DatabaseConfig,
            {
                "url": Kind("sqlite:///FILE or postgresql://USER@HOST/NAME", _read_database, secret=True),
                "synchronous": one_of("full", "normal"),
                "state": text(300, empty=False),
            },
        ),
        "web": Table(
            values.WebConfig,
            {
                "public_url": BASE,
                "bind": BIND,
                "secret": _SECRET,
                "old_secrets": many(_SECRET),
                "trusted_proxies": many(NETWORK),
                "path_prefix": PREFIX,
                "noindex": flag(),
                "proof_of_work": flag(),
            },
        ),
        "mail": Table(
            values.MailConfig,
            {
                "from": SENDER,
                "reply_to": MAILBOX,
                "bounce_address": ADDRESS,
                "ehlo": HOST,
                "unknown": one_of("resend", "hold"),
                "undo_s": whole(0, 3600),
                "retry_first_s": whole(1, 86_400),
                "expire_h": whole(1, 720),
                "images": one_of("remote", "hosted", "inline"),
                "inline_max_bytes": whole(0, 2_000_000),
                "only_to": many(DOMAIN),
                "unsubscribe_address": ADDRESS,
            },
        ),
        "dkim": Table(
            values.DkimConfig, {"domain": DOMAIN, "selector": ID, "key_file": path()}, several=True, name="domain"
        ),
        "relays": Table(
            values.RelayConfig,
            {
                "name": ID,
                "host": HOST,
                "port": whole(1, 65_535),
                "security": one_of("tls", "starttls", "none"),
                "username": text(300, empty=False),
                "password": Kind("a password", _read_password, secret=True),
                "connections": whole(1, 1000),
                "window": whole(1, 64),
                "weight": _WEIGHT,
                "messages_per_connection": whole(1, 1_000_000),
                "per_second": number(0.001, 100_000),
                "per_day": whole(1, 1_000_000_000),
                "warm_up": Table(
                    values.WarmUpConfig,
                    {
                        "start": day(),
                        "first_day": whole(1, 1_000_000),
                        "factor": number(1, 10),
                        "until": whole(1, 1_000_000_000),
                    },
                ),
                "from_domains": many(DOMAIN),
            },
            several=True,
            name="name",
        ),
        "pace": Table(
            values.PaceConfig,
            {
                "domains": many(DOMAIN),
                "per_second": number(0.001, 100_000),
                "per_day": whole(1, 1_000_000_000),
                "at_once": whole(1, 10_000),
            },
            several=True,
            name="domains",
        ),
        "staff": Table(values.StaffConfig, {"notify": many(ADDRESS)}),
        "retention": Table(
            values.RetentionConfig,
            {"pending_days": whole(1, 3650), "requests_days": whole(7, 3650), "ledger_days": whole(7, 36_500)},
        ),
        "gather": Table(
            values.GatherConfig,
            {
                "user_agent": text(200, ascii_only=True),
                "allow_private_addresses": flag(),
                "timeout_s": number(1, 600),
                "max_bytes": whole(1000, 1_000_000_000),
                "full_pages": flag(),
            },
        ),
        "sources": Table(
            values.SourceConfig,
            {
                "id": ID,
                "url": URL,
                "type": one_of(*SOURCE_TYPES),
                "select": SELECT,
                "folder": text(1000, empty=False),
                "name": text(200),
                "section": _TITLE,
                "kind": _TITLE,
                "weight": _WEIGHT,
                "language": LANGUAGE,
                "max_items": whole(1, 10_000),
                "full_pages": flag(),
            },
            several=True,
            lines=True,
        ),
        "lists": Table(
            values.ListConfig,
            {
                "id": ID,
                "title": _TITLE,
                "public": flag(),
                "description": text(),
                "from": SENDER,
                "reply_to": MAILBOX,
                "theme": ID,
                "noindex": flag(),
                "welcome": flag(),
                "goodbye": flag(),
            },
            several=True,
            lines=True,
        ),
        "editions": Table(
            values.EditionConfig,
            {
                "id": ID,
                "list": ID,
                "title": _TITLE,
                "segment": SEGMENT,
                "schedule": SCHEDULE,
                "timezone": ZONE,
                "window_days": whole(1, 100_000),
                "draft_h": whole(0, 8760),
                "grace_h": whole(0, 8760),
                "approval": one_of("automatic", "required"),
                "subject": text(300, empty=False),
                "template": ID,
                "min_articles": whole(0, 1000),
                "max_articles": whole(1, 1000),
                "if_thin": one_of("skip", "roll over", "ask"),
                "latest": whole(0, 100),
                "also_max": whole(0, 100),
                "dead_links": one_of("warn", "block"),
                "sections": _SECTION,
                "learn_sections": number(0, 1),
                "ranking": _RANKING,
            },
            several=True,
            lines=True,
        ),
        "themes": Table(
            ThemeConfig,
            {
                "id": ID,
                "base": one_of(*THEMES),
                "light": _PALETTE,
                "dark": _PALETTE,
                "heading_font": FONT,
                "text_font": FONT,
                "width": whole(320, 640),
                "logo": HTTPS,
                "logo_height": whole(16, 200),
                "low_contrast": flag(),
            },
            several=True,
        ),
    }
)
