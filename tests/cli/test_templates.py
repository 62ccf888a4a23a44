"""digest templates: copies to change, their flaws, and what an upgrade does to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Shell

from digest.compose.trying import flaws, mails
from digest.templating import Templates, template_root

FOOTER = "templates/email/parts/footer.mjml.j2"
ENGLISH_COPY = "{# Taken from Digest 0.0.9, 0123456789abcdef. #}\n"


@pytest.mark.parametrize("name", mails(Templates(template_root())))
def test_nothing_is_wrong_with_what_is_shipped(name: str) -> None:
    assert list(flaws(Templates(template_root()), name)) == []


def test_a_copy_is_taken_listed_and_never_overwritten(shell: Shell) -> None:
    taken = shell("templates", "eject", "roundup", "--json")
    names = ["email/roundup.mjml.j2", "email/roundup.txt.j2"]
    assert (taken.code, taken.json) == (0, {"copied": [str(shell.folder / "templates" / name) for name in names]})
    copy = shell.folder / "templates" / names[0]
    copy.write_text(copy.read_text() + "{# ours #}")
    again = shell("templates", "eject", names[0])
    assert (again.code, "nothing was copied" in again.err) == (2, True)
    assert copy.read_text().endswith("{# ours #}")
    listed = {one["path"]: one for one in shell("templates", "list", "--json").json["templates"]}
    assert [name for name, one in listed.items() if one["own"]] == names
    assert listed[names[0]] == {"path": names[0], "own": True, "shipped": True, "taken_from": "0.1.0", "aged": False}
    assert shell("templates", "check").code == 0


@pytest.mark.parametrize("name", ["nonsense", "../secrets", "email/parts", ""])
def test_what_is_not_shipped_can_not_be_copied(shell: Shell, name: str) -> None:
    said = shell("templates", "eject", name)
    assert (said.code, said.err.startswith("no template ")) == (2, True)
    assert not (shell.folder / "templates").exists()


def test_a_copy_changes_nothing_but_what_is_changed_in_it(shell: Shell) -> None:
    before = Templates(template_root()).text("confirm", _letter())
    shell("templates", "eject", "confirm")
    assert Templates(template_root(), shell.folder / "templates").text("confirm", _letter()) == before


def _letter() -> dict[str, object]:
    site = {"name": "The Lantern", "postal_address": "8 Quay Street"}
    blanks = {"confirm": "c", "decline": "d"}
    return {"site": site, "blanks": blanks, "subject": "Please", "list_title": "Weekly", "direction": "ltr"}


def test_without_templates_of_its_own_there_is_nothing_to_check(shell: Shell) -> None:
    assert shell("templates", "check").code == 3


@pytest.mark.parametrize(
    ("before", "after", "row", "said"),
    [
        ("{{ blanks.unsubscribe }}", "{{ site.url }}", "", "the HTML part has no link to unsubscribe"),
        ("{{ site.postal_address }}", "", "", "the HTML part does not say the postal address"),
        ("{{ site.postal_address }}", "{{ site.adress }}", "", "template email/parts/footer.mjml.j2, line 1"),
        ("{{ t.touch }}", "color:#888888", "A-07", "a contrast of 3.0"),
        ("{{ t.touch }}", "color:#444444", "A-17", "expected 44"),
        ('font-size="14px"', 'font-size="11px"', "A-08", "text of 11 px"),
        ("Unsubscribe", "Click here", "A-06", "say nothing"),
    ],
)
def test_each_flaw_of_an_own_template_is_told(shell: Shell, before: str, after: str, row: str, said: str) -> None:
    shell("templates", "eject", "email/parts/footer.mjml.j2")
    copy = shell.folder / FOOTER
    copy.write_text(copy.read_text().replace(before, after))
    got = shell("templates", "check", "--json")
    assert got.code == 1
    assert [one for one in got.json["flaws"] if one["row"] == row and said in one["what"]]
    assert {one["template"] for one in got.json["flaws"]} == {"roundup", "compact", "single"}


def test_a_copy_of_an_earlier_release_is_told_and_goes_on_working(shell: Shell) -> None:
    shipped = (template_root() / "email" / "goodbye.txt.j2").read_text()
    copy = shell.folder / "templates" / "email" / "goodbye.txt.j2"
    copy.parent.mkdir(parents=True)
    copy.write_text(ENGLISH_COPY + shipped.replace("{{ site.name|upper }}", "ADIEU"))
    checked = shell("templates", "check", "--json")
    assert (checked.code, checked.json["older"], checked.json["flaws"]) == (0, ["email/goodbye.txt.j2"], [])
    assert "email/goodbye.txt.j2 is older than what is shipped now" in shell("templates", "check").out
    own = Templates(template_root(), shell.folder / "templates")
    assert own.text("goodbye", {**_letter(), "subscribe_url": ""}).startswith("ADIEU\n")


def test_an_own_mail_of_another_name_is_tried_as_an_issue(shell: Shell) -> None:
    folder = shell.folder / "templates" / "email"
    folder.mkdir(parents=True)
    (folder / "monthly.html.j2").write_text("<html><body>{{ issue.edition }}</body></html>")
    got = shell("templates", "check", "--json").json
    assert "monthly" in got["tried"]
    assert {"", "A-01", "A-02", "A-05", "A-12", "A-14"} <= {one["row"] for one in got["flaws"]}


def test_the_folder_is_beside_the_settings_wherever_one_stands(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = shell.folder / "config.toml"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(elsewhere)
        assert shell("--config", str(config), "templates", "eject", "notice").code == 0
    assert (shell.folder / "templates" / "email" / "notice.txt.j2").is_file()
    assert not list(Path(elsewhere).iterdir())
