"""digest issues variants, and preview --as: who gets what, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from commands import Shell
from sqlalchemy import create_engine, text

from digest import db
from digest.models import Article, Source
from digest.wiring import utcnow

EDITION = """
[[lists]]
id = "weekly"
title = "Weekly"

[[editions]]
id = "weekly"
list = "weekly"
title = "Weekly"
sections = [
  { id = "sea", title = "At Sea", match = { kind = ["Sea"] } },
  { id = "land", title = "On Land", match = { kind = ["Land"] } },
]
"""


def newsroom(shell: Shell) -> None:
    """A composed issue of two articles; one reader has chosen nothing, one a section, one what is not in it."""
    with (shell.folder / "config.toml").open("a") as file:
        file.write(EDITION)
    for name in ("ann", "bob", "cem"):
        shell("subscribers", "add", f"{name}@example.org", "--list", "weekly", "--confirmed", "--consent", "a fair")
    engine, now = create_engine(f"sqlite:///{shell.folder / 'digest.db'}"), utcnow()
    times = {"published_at": now, "first_seen_at": now, "available_at": now, "previous_look_at": now}
    with db.writing(engine) as session:
        session.add(Source(id="desk", url="https://example.org/feed", active=False, created_at=now))
        session.flush()
        for title, kind in (("The harbour", "Sea"), ("The bridge", "Land")):
            url = f"https://example.org/{kind}"
            session.add(Article(canonical_url=url, url=url, source_id="desk", title=title, kind=kind, **times))
        for number, choices in ((2, {"sections": ["land"]}), (3, {"authors": ["nobody"]})):
            chosen = {"chosen": json.dumps(choices), "n": number}
            session.execute(text("UPDATE subscription SET choices = :chosen WHERE subscriber_id = :n"), chosen)
    engine.dispose()
    assert shell("issues", "compose", "weekly").code == 0


def test_variants_and_any_readers_preview(shell: Shell) -> None:
    newsroom(shell)
    found = shell("--json", "issues", "variants").json
    assert [(one["readers"], len(one["articles"]), one["key"] == "") for one in found["variants"]] == [
        (1, 2, True),
        (1, 1, False),
    ]
    assert (found["nothing"], found["elsewhere"]) == (1, 0)
    said = shell("issues", "variants").out
    assert "everybody" in said
    assert "Skipped, as they follow nothing that is in it: 1." in said
    shown = shell("--json", "issues", "preview", "--as", "bob@example.org", "--to", "bob").json
    assert shown["subject"] == "The bridge"
    written = (Path(shell.folder) / "bob" / "issue.txt").read_text()
    assert ("The bridge" in written, "The harbour" in written) == (True, False)
    assert shell("issues", "preview", "--as", "cem@example.org").code == 3
    assert shell("issues", "preview", "--as", "dan@example.org").code == 2


def test_the_preview_has_every_variant_with_its_readers(shell: Shell) -> None:
    newsroom(shell)
    shell("subscribers", "add", "eve@example.org", "--list", "weekly", "--confirmed", "--consent", "a fair")
    told = shell("--json", "issues", "preview").json
    everybody, land = told["shown"]
    assert everybody == "everybody, 2 readers"
    assert land.endswith(", 1 reader, 1 article, en")
    pages = [(shell.folder / "preview" / name).read_text() for name in ("index.html", "variant-2.html")]
    for page in pages:
        assert page.count(f">{everybody}</a>") == page.count(f">{land}</a>") == 1
        assert "<script" not in page
    assert ["The harbour" in page for page in pages] == [True, False]
    fewer = shell("issues", "preview", "--variants", "1", "--to", "one").out
    assert "1 more variant is not shown, for 1 reader." in fewer
    assert "1 more variant is not shown, for 1 reader." in (shell.folder / "one" / "index.html").read_text()
    assert not (shell.folder / "one" / "variant-2.html").exists()
    (shell.folder / "preview" / "variant-9.html").write_text("mine")
    assert shell("issues", "preview", "--variants", "1").code == 0  # the same folder: only what we wrote there goes
    left = {path.name for path in (shell.folder / "preview").glob("*.html")}
    assert left == {"index.html", "issue.html", "variant-9.html"}
    both = shell("issues", "preview", "--variants", "1", "--as", "bob@example.org")
    assert (both.code, "expected one of both" in both.err) == (2, True)


def test_a_list_without_readers_has_a_preview_too(shell: Shell) -> None:
    newsroom(shell)
    for name in ("ann", "bob", "cem"):
        assert shell("subscribers", "unsubscribe", f"{name}@example.org", "--list", "weekly").code == 0
    assert shell("--json", "issues", "preview").json["shown"] == ["everybody"]


def test_an_issue_for_some_says_how_many_it_is_not_for(shell: Shell) -> None:
    newsroom(shell)
    config = shell.folder / "config.toml"
    config.write_text(
        config.read_text().replace('title = "Weekly"\nsec', 'title = "Weekly"\nsegment = "email ends org"\nsec')
    )
    assert shell("--json", "issues", "variants").json["outside"] == 0
    config.write_text(config.read_text().replace("ends org", "begins ann"))
    assert "Not its readers, as they are outside its segment: 2." in shell("issues", "variants").out
    config.write_text(config.read_text().replace("begins ann", "begin ann"))
    refused = shell("issues", "variants")
    assert refused.code == 2
    assert '[editions] "weekly" segment: expected a filter of people, got "email begin ann"' in refused.err
