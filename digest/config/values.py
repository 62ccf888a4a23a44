"""What can be set, as frozen values with their defaults; config.toml documents each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from digest.theme import STANDARD, THEMES, Theme, ThemeConfig, made


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class SiteConfig:
    """Whose newsletter it is."""

    name: str
    url: str
    language: str = "en"  # BCP 47
    languages: tuple[str, ...] = ()  # that readers may choose; (): the pages speak all we have words of
    timezone: str = "UTC"  # IANA
    postal_address: str = ""  # required before anything is sent (L-01)
    social: Mapping[str, str] = field(default_factory=_nothing)  # label -> URL, in the order of the file
    logo: str | None = None  # https URL of a PNG or JPEG
    theme: str = STANDARD  # one of digest.theme.THEMES, or of [[themes]]


@dataclass(frozen=True)
class DatabaseConfig:
    """Where the database is."""

    url: str = "sqlite:///digest.db"
    synchronous: str = "full"  # full | normal
    state: str | None = None  # folder of the seat file; default: beside the SQLite file, else beside config.toml


@dataclass(frozen=True)
class WebConfig:
    """The public pages."""

    public_url: str = "http://127.0.0.1:8080"  # https, except on loopback hosts (H-01); no trailing slash
    bind: str = "127.0.0.1:8080"
    secret: str = field(default="", repr=False)
    old_secrets: tuple[str, ...] = field(default=(), repr=False)
    trusted_proxies: tuple[str, ...] = ()
    path_prefix: str = ""  # "" or "/news"
    noindex: bool = False  # search engines are asked to leave the archive alone
    proof_of_work: bool = False  # a sign-up costs the browser a second of work, or a minute's wait


@dataclass(frozen=True)
class MailConfig:
    """Who the mail is from, and what happens when sending goes wrong."""

    sender: str  # key `from`: "Name <address>"
    reply_to: str | None = None
    bounce_address: str | None = None  # envelope sender; default: the address of `from`
    ehlo: str | None = None  # default: the domain of `from`
    unknown: str = "resend"  # resend | hold
    undo_s: int = 0
    retry_first_s: int = 900
    expire_h: int = 48
    images: str = "remote"  # remote | hosted | inline
    inline_max_bytes: int = 300_000  # of all pictures that travel in one message, before base64
    only_to: tuple[str, ...] = ()  # recipient domains that get mail, as in a staging copy; (): all
    unsubscribe_address: str | None = None  # mail to it unsubscribes, where `digest feedback receive` gets it (H-17)


@dataclass(frozen=True)
class DkimConfig:
    """A key to sign with."""

    domain: str
    selector: str
    key_file: Path


@dataclass(frozen=True)
class WarmUpConfig:
    """How a new relay's volume grows: `first_day` messages on the day `start` (UTC), then `factor` times more."""

    start: date
    first_day: int = 500
    factor: float = 1.5
    until: int = 50_000  # a day's messages at which the relay is warm, and the plan is over


@dataclass(frozen=True)
class RelayConfig:
    """An SMTP server we hand mail to."""

    name: str
    host: str
    port: int = 465
    security: str = "tls"  # tls | starttls | none (loopback and private hosts only)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    connections: int = 4
    window: int = 4
    weight: float = 1.0
    messages_per_connection: int = 1000
    per_second: float | None = None
    per_day: int | None = None
    warm_up: WarmUpConfig | None = None
    from_domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaceConfig:
    """How fast mail may go to these recipient domains together, over all relays."""

    domains: tuple[str, ...]
    per_second: float | None = None
    per_day: int | None = None
    at_once: int | None = None


@dataclass(frozen=True)
class RetentionConfig:
    """How long what is kept of people is kept; None: for ever."""

    pending_days: int = 30  # who was asked and never said yes (L-07)
    requests_days: int = 365  # requests to confirm and mailed links, once they have ended
    ledger_days: int | None = None  # what was mailed to whom; the counts of issues stay


@dataclass(frozen=True)
class StaffConfig:
    """Who is told."""

    notify: tuple[str, ...] = ()


@dataclass(frozen=True)
class GatherConfig:
    """How sources are fetched."""

    user_agent: str = ""  # default: "Digest/VERSION (+site.url)"
    allow_private_addresses: bool = False
    timeout_s: float = 30.0
    max_bytes: int = 10_000_000
    full_pages: bool = False


@dataclass(frozen=True)
class SourceConfig:
    """Where articles come from."""

    id: str
    url: str
    type: str = "feed"  # feed | sitemap | page | wordpress | folder
    select: Mapping[str, str] = field(default_factory=_nothing)  # name -> CSS selector, of a page
    folder: str | None = None  # with Markdown files; relative to the folder of config.toml
    name: str = ""
    section: str | None = None
    kind: str | None = None
    weight: float = 1.0
    language: str | None = None
    max_items: int | None = None
    full_pages: bool | None = None  # None: as [gather] says
    line: int | None = None  # of config.toml


@dataclass(frozen=True)
class ListConfig:
    """What a person subscribes to."""

    id: str
    title: str
    public: bool = True
    description: str = ""
    sender: str | None = None  # key `from`
    reply_to: str | None = None
    theme: str | None = None  # default: site.theme
    noindex: bool | None = None  # None: as [web] says
    welcome: bool = False  # a letter to whoever has confirmed, with the latest issue
    goodbye: bool = False  # a letter to whoever has left by the page
    line: int | None = None


@dataclass(frozen=True)
class SectionMatch:
    """A rule for articles: every key given must match, any value of a key is enough; letters' case counts nowhere."""

    source: tuple[str, ...] = ()  # source ids
    section: tuple[str, ...] = ()  # the article's own section (kicker, category, source setting)
    category: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    kicker: tuple[str, ...] = ()  # "Analysis | Europe", or either half
    author: tuple[str, ...] = ()
    keyword: tuple[str, ...] = ()  # whole words of title and dek; "migra*": any that begin so
    path: tuple[str, ...] = ()  # beginning of the URL's path, "/video/"


@dataclass(frozen=True)
class SectionConfig:
    """A section of an edition; the first whose match fits takes the article. One without a match takes the rest."""

    id: str
    title: str
    match: SectionMatch | None = None
    min: int = 0  # with fewer it is not shown, and what it has goes to the section that takes the rest
    max: int | None = None
    floor: float | None = None  # instead of the ranking's
    style: str = "full"  # full | short (QiOSK-like two-liners) | links | symposium (several on one question)


@dataclass(frozen=True)
class RankingConfig:
    """Weights of the score, see docs/ranking.md."""

    half_life_h: float = 72.0  # an article this much older counts half
    kinds: Mapping[str, float] = field(default_factory=_nothing)  # kind -> weight, default 1
    sections: Mapping[str, float] = field(default_factory=_nothing)
    authors: Mapping[str, float] = field(default_factory=_nothing)
    image: float = 1.1  # weight of an article with an image: the lead needs one
    floor: float = 0.0  # articles that score less are left out
    max_per_source: int | None = None
    max_per_author: int | None = None
    diversity: float = 0.15  # how fast a source's or an author's next articles count less; 0: not at all
    told: float = 0.3  # weight of an article whose story was in an earlier issue
    engagement: float = 0.5  # exponent of points and clicks, measured by their median; 0: they don't count
    learn: float = 0.0  # how far readers' clicks on earlier issues may move a score; 0: not at all
    roll_over: int = 1  # in how many later issues an article that found no room competes again


@dataclass(frozen=True)
class EditionConfig:
    """A recurring newsletter."""

    id: str
    list: str
    title: str
    segment: str = ""  # a filter of those on the list who get it; "": all of them
    schedule: str | None = None  # "fri 07:00" | a cron line of five fields | None: by hand only
    timezone: str | None = None  # default: site.timezone
    window_days: int = 7
    draft_h: int = 24  # the draft is composed this long before the slot
    grace_h: int = 6  # a slot missed by more is held
    approval: str = "automatic"  # automatic | required
    subject: str = "{{ lead.title }}"
    template: str = "roundup"
    min_articles: int = 1
    max_articles: int = 40
    if_thin: str = "skip"  # skip | roll over | ask
    latest: int = 5  # how many titles the LATEST block repeats; 0: none
    dead_links: str = "warn"  # warn | block
    also_max: int = 5  # sources that are named under a story, at most; 0: none
    sections: tuple[SectionConfig, ...] = ()
    learn_sections: float = 0.6  # a guess from past articles counts if it is at least so likely; 0: no guesses
    ranking: RankingConfig = field(default_factory=RankingConfig)
    line: int | None = None


@dataclass(frozen=True)
class Config:
    """Everything config.toml says."""

    site: SiteConfig
    mail: MailConfig
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    web: WebConfig = field(default_factory=WebConfig)
    dkim: tuple[DkimConfig, ...] = ()
    relays: tuple[RelayConfig, ...] = ()
    pace: tuple[PaceConfig, ...] = ()
    staff: StaffConfig = field(default_factory=StaffConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    gather: GatherConfig = field(default_factory=GatherConfig)
    sources: tuple[SourceConfig, ...] = ()
    lists: tuple[ListConfig, ...] = ()
    editions: tuple[EditionConfig, ...] = ()
    themes: tuple[ThemeConfig, ...] = ()
    path: Path | None = None  # the file it came from

    def theme(self, list_id: str | None = None) -> Theme:
        """How the mails of a list look, or those that belong to none."""
        one = next((one for one in self.lists if one.id == list_id), None)
        name = (one.theme if one else None) or self.site.theme
        own = {theme.id: theme for theme in self.themes}
        return made(own[name]) if name in own else THEMES[name]

    def noindex(self, list_id: str | None = None) -> bool:
        """Whether search engines are asked to leave the issues of a list alone, or the page of all editions."""
        one = next((one for one in self.lists if one.id == list_id), None)
        return self.web.noindex if one is None or one.noindex is None else one.noindex
