"""config.toml becomes frozen values: defaults, secrets, paths, lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.config import Config
from digest.config.keys import TABLES
from digest.config.kinds import Wrong, unprintable
from digest.config.names import is_loopback, is_private, split_mailbox
from digest.config.reading import read, require_secret
from digest.errors import ConfigError

SMALLEST = '[site]\nname = "Example"\nurl = "https://example.org"\n[mail]\nfrom = "News <news@example.org>"\n'
RELAY = '[[relays]]\nname = "main"\nhost = "127.0.0.1"\nusername = "u"\n'
SECRET = "0123456789abcdef0123456789abcdef"


def config(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = folder / "config.toml"
    path.write_text(text)
    return read(path, environ or {})


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config(folder, text)
    return caught.value.problems


def test_two_tables_are_enough(tmp_path: Path) -> None:
    read = config(tmp_path, SMALLEST)
    assert (read.site.name, read.mail.sender) == ("Example", "News <news@example.org>")
    assert (read.mail.expire_h, read.web.bind, read.relays) == (48, "127.0.0.1:8080", ())
    assert read.path == tmp_path / "config.toml"


def test_the_database_lies_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert config(tmp_path, SMALLEST).database.url == f"sqlite:///{tmp_path}/digest.db"
    text = SMALLEST + '[database]\nurl = "sqlite:////var/lib/digest.db"\n'
    assert config(tmp_path, text).database.url == "sqlite:////var/lib/digest.db"


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="digest init makes one"):
        read(tmp_path / "config.toml", {})


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b'[site]\nname = "\xff"\n')
    with pytest.raises(ConfigError, match="expected UTF-8, got something else at byte 15"):
        read(tmp_path / "config.toml", {})


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    text = SMALLEST + '[[lists]]\nid = "weekly"\ntitle = "Weekly"\n'
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read(tmp_path / "config.toml", {}).lists[0].line == 6


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    text = SMALLEST + RELAY + 'password = "env:PW"\n[web]\nsecret = "env:S"\nold_secrets = ["env:OLD"]\n'
    read = config(tmp_path, text, {"PW": "pw", "S": SECRET, "OLD": SECRET[::-1]})
    assert (read.relays[0].password, read.web.secret, read.web.old_secrets) == ("pw", SECRET, (SECRET[::-1],))


def test_secrets_come_from_files_that_only_the_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "smtp.secret"
    file.write_text("hush\n")
    file.chmod(0o600)
    text = SMALLEST + RELAY + 'password_file = "smtp.secret"\n'
    assert config(tmp_path, text).relays[0].password == "hush"
    for mode in (0o640, 0o604, 0o644, 0o700, 0o660):
        file.chmod(mode)
        assert problems(tmp_path, text) == (
            'config.toml: [relays] "main" password_file: expected a file that only its owner can read (chmod 600), '
            'got "smtp.secret"',
        )


def test_old_secrets_come_from_a_file_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "old").write_text(f"{SECRET}\n{SECRET[::-1]}\n")
    (tmp_path / "old").chmod(0o400)
    read = config(tmp_path, SMALLEST + '[web]\nold_secrets_file = "old"\n')
    assert read.web.old_secrets == (SECRET, SECRET[::-1])


def test_problems_and_values_never_show_secrets(tmp_path: Path) -> None:
    web = '[web]\nsecret = "shorthush"\n[database]\nurl = "postgres://u:hush@h/d"\n'
    said = problems(tmp_path, SMALLEST + RELAY + 'password = ["hush"]\n' + web)
    assert len(said) == 3
    assert "hush" not in "".join(said)
    text = SMALLEST + RELAY + f'password = "hush"\n[web]\nsecret = "{SECRET}"\n'
    shown = repr(config(tmp_path, text))
    assert "hush" not in shown
    assert SECRET not in shown


def test_a_signing_key_is_a_secret_too(tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_text("key")
    (tmp_path / "dkim.pem").chmod(0o644)
    text = SMALLEST + '[[dkim]]\ndomain = "example.org"\nselector = "a"\nkey_file = "dkim.pem"\n'
    assert "only its owner can read" in problems(tmp_path, text)[0]
    (tmp_path / "dkim.pem").chmod(0o600)
    assert config(tmp_path, text).dkim[0].key_file == tmp_path / "dkim.pem"


def test_declared_tables_know_their_lines(tmp_path: Path) -> None:
    text = (
        SMALLEST
        + '[staff] # [[lists]]\nnotify = ["x@example.org"]\n'
        + "  [[ lists ]]  # one\nid = \"a\"\ntitle = '''A'''\n"
        + '[[lists]]\nid = "b"\ntitle = "[[lists]]"\n'
    )
    assert [(one.id, one.line) for one in config(tmp_path, text).lists] == [("a", 8), ("b", 11)]


def test_a_header_inside_a_long_string_is_no_table(tmp_path: Path) -> None:
    text = SMALLEST + '[[lists]]\nid = "a"\ntitle = """\\\n[[lists]]"""\n[[lists]]\nid = "b"\ntitle = "B"\n'
    assert [(one.title, one.line) for one in config(tmp_path, text).lists] == [("[[lists]]", 6), ("B", 10)]


def test_inline_tables_stand_where_their_list_begins(tmp_path: Path) -> None:
    text = 'lists = [{ id = "a", title = "A" }, { id = "b", title = "B" }]\n' + SMALLEST
    assert [one.line for one in config(tmp_path, text).lists] == [1, 1]


def test_the_placeholder_is_for_this_machine_only(tmp_path: Path) -> None:
    placeholder = '[web]\nsecret = "change-me-digest-init-makes-a-secret-of-your-own"\n'
    for text in (SMALLEST, SMALLEST + placeholder):
        read = config(tmp_path, text)
        with pytest.raises(ConfigError, match="digest init makes one"):
            require_secret(read)
    require_secret(config(tmp_path, SMALLEST + f'[web]\nsecret = "{SECRET}"\n'))


def test_rules_of_sections_take_one_word_or_several(tmp_path: Path) -> None:
    edition = '[[lists]]\nid = "w"\ntitle = "W"\n[[editions]]\nid = "w"\nlist = "w"\ntitle = "W"\n'
    sections = 'sections = [{ id = "a", title = "A", match = { kind = "QiOSK", section = ["X", "Y"] } }]\n'
    match = config(tmp_path, SMALLEST + edition + sections).editions[0].sections[0].match
    assert match is not None
    assert (match.kind, match.section, match.author) == (("QiOSK",), ("X", "Y"), ())


@pytest.mark.parametrize(
    ("host", "loopback", "private"),
    [
        ("localhost", True, True),
        ("a.localhost", True, True),
        ("127.9.9.9", True, True),
        ("::1", True, True),
        ("10.1.2.3", False, True),
        ("fd00::1", False, True),
        ("postfix", False, True),  # a name without a dot: a neighbour in a container network
        ("mail.internal", False, True),
        ("8.8.8.8", False, False),
        ("smtp.example.org", False, False),
        ("localhost.example.org", False, False),
        ("127.0.0.1.example.org", False, False),
    ],
)
def test_hosts_are_near_or_far(host: str, loopback: bool, private: bool) -> None:
    assert (is_loopback(host), is_private(host)) == (loopback, private)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("news@example.org", ("", "news@example.org")),
        ("News <news@example.org>", ("News", "news@example.org")),
        ('"Doe, John" <j@example.org>', ("Doe, John", "j@example.org")),
        (r'"a \"b\"" <j@example.org>', ('a "b"', "j@example.org")),
        ("Ünï <j@exämple.org>", ("Ünï", "j@xn--exmple-cua.org")),
        ("news@localhost", ("", "news@localhost")),
        ("Doe, John <j@example.org>", None),
        ("a@example.org, b@example.org", None),
        ("a@example.org b@example.org", None),
        ("<a@example.org> <b@example.org>", None),
        ("News <news@example.org", None),
        ("news@host", None),
        ("news@[127.0.0.1]", None),
        ("a..b@example.org", None),
        ("", None),
    ],
)
def test_a_mailbox_is_one_name_and_one_address(text: str, split: tuple[str, str] | None) -> None:
    assert split_mailbox(text) == split


# S-A7: every setting that reaches the wire, with every control character, at every place.
WIRE = [
    ("site", "name"),
    ("site", "postal_address"),
    ("mail", "from"),
    ("mail", "reply_to"),
    ("mail", "bounce_address"),
    ("mail", "ehlo"),
    ("relays", "host"),
    ("relays", "username"),
    ("relays", "password"),
    ("lists", "id"),
    ("lists", "title"),
    ("lists", "from"),
    ("lists", "reply_to"),
    ("editions", "id"),
    ("editions", "subject"),
    ("gather", "user_agent"),
    ("sources", "url"),
    ("web", "public_url"),
]


@pytest.mark.parametrize("character", ["\r", "\n", "\r\n", "\0", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize(("table", "key"), WIRE)
def test_no_control_character_reaches_the_wire(table: str, key: str, character: str) -> None:
    kind = TABLES[table].keys[key]
    for value in (f"a{character}b@example.org", f"News <a@example.org{character}>", f"https://e.org/{character}"):
        with pytest.raises(Wrong):
            kind.read(value)  # type: ignore[union-attr]


@given(st.text())
@settings(max_examples=200)
def test_a_sender_is_accepted_only_if_it_is_safe(text: str) -> None:
    split = split_mailbox(text)
    assert split is None or not (unprintable(split[0]) or unprintable(split[1]) or " " in split[1])
