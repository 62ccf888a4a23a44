"""What the settings say together: rules across keys and tables, each a sentence when it is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from digest.config.keys import PLACEHOLDER
from digest.config.names import is_loopback, is_private, split_mailbox
from digest.config.values import Config, EditionConfig, SectionMatch
from digest.theme import LEAST_CONTRAST, THEMES, faint, made


def broken(config: Config, failed: Collection[str] = ()) -> list[str]:
    """A sentence for every rule that `config` breaks; silent about keys in `failed`, which were reported before."""
    found = [
        *_duplicates(config),
        *_sources(config),
        *_relays(config),
        *_pace(config),
        *_mail(config),
        *_themes(config),
    ]
    if "[web] public_url" not in failed:
        found += _web(config)
    for edition in config.editions:
        found += _edition(config, edition)
    return [sentence for sentence in found if sentence.partition(": ")[0] not in failed]


def _duplicates(config: Config) -> Iterator[str]:
    yield from _repeated("[relays]", "name", [relay.name for relay in config.relays])
    yield from _repeated("[sources]", "id", [source.id for source in config.sources])
    yield from _repeated("[lists]", "id", [one.id for one in config.lists])
    yield from _repeated("[editions]", "id", [edition.id for edition in config.editions])
    yield from _repeated("[sources]", "url", [source.url for source in config.sources])
    keys = [f"{key.selector}._domainkey.{key.domain}" for key in config.dkim if key.domain]
    yield from _repeated("[dkim]", "selector and domain", keys)


def _repeated(where: str, key: str, names: Sequence[str]) -> Iterator[str]:
    for name, times in Counter(name.lower() for name in names if name).items():
        if times > 1:
            yield f'{where} {key}: expected a different one in each table, got "{name}" {times} times'


def _sources(config: Config) -> Iterator[str]:
    for one in config.sources:
        for key, sentence in wrong_type(one.type, one.select, one.folder):
            yield f'[sources] "{one.id}" {key}: {sentence}'


def wrong_type(type_: str, select: Mapping[str, str] | None, folder: str | None) -> Iterator[tuple[str, str]]:
    """What a source's type and the keys that belong to one type only say against each other: key and sentence."""
    if select and type_ != "page":
        yield "select", f'expected none, or type "page", got one for type "{type_}"'
    if folder and type_ != "folder":
        yield "folder", f'expected none, or type "folder", got "{folder}" for type "{type_}"'
    if type_ == "folder" and not folder:
        yield "folder", 'missing, expected the folder of Markdown files for type "folder"'


def _themes(config: Config) -> Iterator[str]:
    yield from _repeated("[themes]", "id", [one.id for one in config.themes])
    known = [*THEMES, *(one.id for one in config.themes)]
    asked = [("[site] theme", config.site.theme), *((f'[lists] "{one.id}" theme', one.theme) for one in config.lists)]
    for where, name in asked:
        if name and name not in known:
            yield f'{where}: expected one of {", ".join(known)}, got "{name}"'
    for one in config.themes:
        if one.id in THEMES:
            yield f'[themes] "{one.id}" id: expected a name of your own, got that of a shipped theme'
        elif one.base in THEMES and not one.low_contrast:
            for mode, front, back, found in faint(made(one)):
                yield (
                    f'[themes] "{one.id}" {mode}: expected a contrast of {LEAST_CONTRAST} of {front} on {back}, also '
                    f"with both inverted (low_contrast = true takes it all the same), got {found:.1f}"
                )


def _relays(config: Config) -> Iterator[str]:
    for relay in config.relays:
        where = f'[relays] "{relay.name}"'
        if relay.security == "none" and relay.host and not is_private(relay.host):
            yield f'{where} security: expected "tls" or "starttls" for a public host, got "none" for {relay.host}'
        if relay.password is not None and relay.username is None:
            yield f"{where} username: missing, expected the name that belongs to the password"
        if relay.username is not None and relay.password is None:
            yield f"{where} password: missing, expected password, password_file or env:NAME for the username"


def _pace(config: Config) -> Iterator[str]:
    yield from _repeated("[pace]", "domains", [domain for one in config.pace for domain in one.domains])
    for number, one in enumerate(config.pace, 1):
        if one.domains == ():
            yield f"[pace] {number} domains: expected at least one domain, got an empty list"
        elif one.domains and one.per_second is None and one.per_day is None and one.at_once is None:
            yield f"[pace] {number} per_second: expected it, per_day or at_once for {one.domains[0]}, got none of them"
    if config.relays and all(relay.from_domains for relay in config.relays):
        senders = [config.mail.sender, *(one.sender for one in config.lists if one.sender)]
        for sender in senders:
            domain = (split_mailbox(sender) or ("", ""))[1].rpartition("@")[2]
            if domain and not any(domain in relay.from_domains for relay in config.relays):
                yield (
                    f"[relays] from_domains: expected {domain} in one of them, or a relay without from_domains, for "
                    f'mail from "{sender}", got no relay that takes it'
                )


def _web(config: Config) -> Iterator[str]:
    url = urlsplit(config.web.public_url)
    local = is_loopback(url.hostname or "")
    if url.scheme == "http" and not local:
        yield f'[web] public_url: expected https:// for a public host, got "{config.web.public_url}"'
    if url.scheme == "http" and local:
        for relay in config.relays:
            if relay.host and not is_loopback(relay.host):
                yield (
                    f'[relays] "{relay.name}" host: expected a relay on this machine while [web] public_url is '
                    f'"{config.web.public_url}", whose links work nowhere else, got "{relay.host}"'
                )
    if not local and config.web.secret in ("", PLACEHOLDER):
        got = "the placeholder" if config.web.secret else "none"
        yield f"[web] secret: expected a secret of your own (digest init makes one), got {got}"
    if config.web.secret and config.web.secret in config.web.old_secrets:
        yield "[web] old_secrets: expected secrets used before, got the present one"


def _mail(config: Config) -> Iterator[str]:
    mail = config.mail
    if mail.retry_first_s >= mail.expire_h * 3600:
        yield (
            f"[mail] retry_first_s: expected less than expire_h ({mail.expire_h * 3600} seconds), "
            f"got {mail.retry_first_s}"
        )


def _edition(config: Config, edition: EditionConfig) -> Iterator[str]:
    where = f'[editions] "{edition.id}"'
    lists = {one.id for one in config.lists}
    if edition.list and edition.list not in lists:
        known = ", ".join(sorted(lists)) or "there is none"
        yield f'{where} list: expected the id of one of the [[lists]] ({known}), got "{edition.list}"'
    if edition.min_articles > edition.max_articles:
        most = edition.max_articles
        yield f"{where} min_articles: expected at most max_articles ({most}), got {edition.min_articles}"
    yield from _repeated(f"{where} sections", "id", [section.id for section in edition.sections])
    for section in edition.sections:
        here = f'{where} sections "{section.id}" match'
        if section.match == SectionMatch():
            yield f"{here}: expected at least one key (a section without match takes the rest), got an empty table"
        if section.max is not None and section.min > section.max:
            most = section.max
            yield f'{where} sections "{section.id}" min: expected at most max ({most}), got {section.min}'
        for prefix in section.match.path if section.match else ():
            if not prefix.startswith("/"):
                yield f'{here} path: expected the beginning of a path like "/video/", got "{prefix}"'
    rest = [section.id for section in edition.sections if section.match is None]
    if len(rest) > 1:
        yield f"{where} sections: expected at most one without match, which takes the rest, got {', '.join(rest)}"
