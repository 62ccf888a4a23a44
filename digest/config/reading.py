"""config.toml, read once at the start: the text, then each table by its keys, then what the tables say together.

Nothing stops at the first mistake: ConfigError carries one sentence for each, with key, value and what was expected.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from digest.config.keys import PLACEHOLDER, TABLES, Table
from digest.config.kinds import Kind, Wrong, shown
from digest.config.rules import broken
from digest.config.values import Config
from digest.errors import ConfigError

_LARGEST = 5_000_000
# Strings and comments are found first, so that a header inside one of them is not taken for a table.
_HEADERS = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|^[ \t]*(?:\[\[[ \t]*(?P<name>[A-Za-z0-9_-]+)[ \t]*\]\]|(?P<inline>[A-Za-z0-9_-]+)[ \t]*=)",
    re.MULTILINE | re.DOTALL,
)


def read(path: Path, environ: Mapping[str, str]) -> Config:
    """The settings in `path`; `environ` answers for values written as env:NAME. ConfigError carries all problems.

    Relative paths count from the folder of the file. The placeholder secret of the shipped file is let through
    where the public pages are on this machine only; `require_secret` refuses it.
    """
    text = _text(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path.name}: expected TOML, got a mistake: {error}"]) from error
    reader = _Reader(path.absolute().parent, environ)
    config = _placed(reader.config(raw, _lines(text)), path.absolute())
    problems = [*reader.problems, *broken(config, reader.failed)]
    if problems:
        raise ConfigError([f"{path.name}: {problem}" for problem in dict.fromkeys(problems)])
    return config


def _placed(config: Config, path: Path) -> Config:
    """The settings with the database's file and folder counted from that of config.toml, wherever a command runs."""
    url, state = config.database.url, config.database.state
    if url.startswith("sqlite:///"):
        url = f"sqlite:///{path.parent / url.removeprefix('sqlite:///')}"
    state = str(path.parent / state) if state else None
    return replace(config, path=path, database=replace(config.database, url=url, state=state))


def require_secret(config: Config) -> None:
    """ConfigError while [web] secret is missing or the placeholder of the shipped file: links could be forged."""
    if config.web.secret in ("", PLACEHOLDER):
        name = config.path.name if config.path else "config.toml"
        raise ConfigError([f"{name}: [web] secret: expected a secret of your own (digest init makes one)"])


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError([f"{path.name}: expected at most {_LARGEST} bytes, got {path.stat().st_size}"])
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: there is no such file (digest init makes one, --config FILE names another)"],
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path.name}: expected UTF-8, got something else at byte {error.start}"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: expected a readable file, got: {error.strerror}"]) from error


def _lines(text: str) -> dict[str, list[int]]:
    """On which lines the [[...]] tables of each name begin, in the order of the file."""
    lines: dict[str, list[int]] = {}
    text = text.replace("\r\n", "\n")
    for found in _HEADERS.finditer(text):
        if name := found["name"] or found["inline"]:
            line = text.count("\n", 0, found.start()) + 1
            lines.setdefault(name, []).append(line)
    return lines


@dataclass
class _Reader:
    """Turns raw tables into values, and gathers what is wrong on the way."""

    folder: Path
    environ: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # "[table] key"

    def config(self, raw: dict[str, Any], lines: dict[str, list[int]]) -> Config:
        self._unknown("", raw, TABLES)
        parts: dict[str, Any] = {}
        for name, table in TABLES.items():
            given = raw.get(name, [] if table.several else {})
            if table.several:
                parts[name] = self._several(f"[{name}]", given, table, lines.get(name, []))
            else:
                parts[name] = self._one(f"[{name}]", given, table)
        return Config(**parts)

    def _several(self, where: str, raw: Any, table: Table, lines: list[int]) -> tuple[Any, ...]:
        if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
            self.problems.append(f"{where}: expected [{where}] tables, got {shown(raw)}")
            return ()
        values = []
        for number, one in enumerate(raw):
            name = one.get(table.name)
            value = self._one(f"{where} {shown(name) if isinstance(name, str) else number + 1}", one, table)
            if table.lines:
                # Written as an inline array, all of them stand where the array begins.
                value = replace(value, line=(lines[number:] or lines or [1])[0])
            values.append(value)
        return tuple(values)

    def _one(self, where: str, raw: Any, table: Table) -> Any:
        """The table's value; what is wrong or missing is reported and stands as the default or as empty."""
        if not isinstance(raw, dict):
            self.problems.append(f"{where}: expected a table, got {shown(raw)}")
            raw = {}
        self._unknown(where, raw, table.keys)
        values = {}
        for key, kind in table.keys.items():
            try:
                if isinstance(kind, Table):
                    read = self._table(f"{where} {key}", raw[key], kind) if key in raw else None
                else:
                    read = self._value(f"{where} {key}", key, raw, kind)
            except Wrong as wrong:
                self.problems.append(str(wrong))
                self.failed.add(f"{where} {key}")
                read = None
            if read is not None:
                values[table.field(key)] = read
            elif table.required(key):
                values[table.field(key)] = ""
                if key not in raw and isinstance(kind, Kind):
                    self.problems.append(f"{where} {key}: missing, expected {kind.expected}")
        return table.value(**values)

    def _table(self, where: str, raw: Any, table: Table) -> Any:
        return self._several(where, raw, table, []) if table.several else self._one(where, raw, table)

    def _value(self, where: str, key: str, raw: dict[str, Any], kind: Kind) -> Any:
        """The value of one key, None when it is not given; Wrong carries the whole sentence."""
        given, origin = raw.get(key), ""
        if kind.secret:
            given, origin = self._secret(where, key, raw, kind)
        if given is None:
            return None
        try:
            read = kind.read(given)
            return self._file(read) if kind.file else read
        except Wrong as wrong:
            got = wrong.got or (origin or "something else" if kind.secret else shown(given))
            raise Wrong(f"{where}: expected {wrong.expected}, got {got}") from None

    def _secret(self, where: str, key: str, raw: dict[str, Any], kind: Kind) -> tuple[Any, str]:
        """What a secret's key, its KEY_file or its env:NAME holds, and where it came from."""
        given, file = raw.get(key), raw.get(f"{key}_file")
        if file is not None:
            if given is not None:
                raise Wrong(f"{where}: expected {key} or {key}_file, got both")
            try:
                held = self._file(file).read_text(encoding="utf-8").strip()
            except (Wrong, UnicodeDecodeError) as error:
                expected = error.expected if isinstance(error, Wrong) else "UTF-8"
                raise Wrong(f"{where}_file: expected {expected}, got {shown(file)}") from None
            several = kind.expected.startswith("a list")
            return (held.split() if several else held), f"the content of {shown(file)}"
        if isinstance(given, list):
            return [self._environment(where, one) for one in given], ""
        return self._environment(where, given), ""

    def _environment(self, where: str, given: Any) -> Any:
        if not isinstance(given, str) or not given.startswith("env:"):
            return given
        name = given.removeprefix("env:")
        if name not in self.environ:
            raise Wrong(f"{where}: expected an environment variable, got {shown(given)}, which is not set")
        return self.environ[name]

    def _file(self, name: Any) -> Path:
        """A file with a secret in it, which nobody but its owner may read."""
        if not isinstance(name, str):
            raise Wrong("the path of a file")
        path = self.folder / name
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError):
            raise Wrong("a file that is there") from None
        if not stat.S_ISREG(mode) or not os.access(path, os.R_OK):
            raise Wrong("a readable file")
        if mode & 0o177:
            raise Wrong("a file that only its owner can read (chmod 600)", f"{shown(name)} of mode {mode & 0o777:04o}")
        return path

    def _unknown(self, where: str, raw: Mapping[str, Any], known: Mapping[str, Kind | Table]) -> None:
        names = [*known, *(f"{key}_file" for key, kind in known.items() if isinstance(kind, Kind) and kind.secret)]
        for key in raw:
            if key not in names:
                self.failed.add(where)
                near = get_close_matches(key, names, 1, 0.5)
                hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"
                self.problems.append(
                    f"{where} {key}: unknown key, {hint}" if where else f"[{key}]: unknown table, {hint}"
                )
