"""The DKIM keys of the settings, read from their files."""

from __future__ import annotations

import logging

from digest.config import Config
from digest.deliver.dkim import Key, read_key
from digest.deliver.message import a_label
from digest.errors import ConfigError

log = logging.getLogger(__name__)


def keys(config: Config) -> tuple[Key, ...]:
    """Every key of [[dkim]], weak ones with a warning in the log; ConfigError with all that can't be used."""
    found, problems = [], []
    for entry in config.dkim:
        try:
            mode = entry.key_file.stat().st_mode
            if mode & 0o177:
                got = f"has mode {mode & 0o777:04o}, expected one that only its owner can read (chmod 600)"
                problems.append(f"[[dkim]] {entry.domain}: {entry.key_file} {got}")
                continue
            found.append(read_key(a_label(entry.domain), entry.selector, entry.key_file.read_bytes()))
        except OSError as error:
            problems.append(f"[[dkim]] {entry.domain}: {entry.key_file} can't be read: {error.strerror}")
        except ValueError as error:
            problems.append(f"[[dkim]] {entry.domain}: {entry.key_file}: {error}")
    if problems:
        raise ConfigError(problems)
    for key in found:
        if key.weakness:
            log.warning("%s", key.weakness)
    return tuple(found)
