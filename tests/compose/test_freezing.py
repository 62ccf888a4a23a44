"""Freezing: number, content, bytes and appearances in one commit; what was approved and nothing else."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from sqlmodel import select
from world import NOW, World, plain, titles

from digest import db
from digest.compose import issues
from digest.compose.content import IssueContent, content_hash
from digest.compose.freezing import frozen_content
from digest.compose.rendering import Rendered, render
from digest.errors import IllegalMove, NeedsDecision
from digest.models import Appearance, IssueState, Variant
from digest.templating import Templates, template_root


@pytest.fixture
def world(engine: Engine) -> World:
    world = World(engine)
    world.source("a").article("One", 1).article("Two", 2)
    return world


def variants(world: World) -> list[Variant]:
    with db.reading(world.engine) as session:
        return list(session.exec(select(Variant)))


def test_an_approved_issue_is_frozen_whole(world: World) -> None:
    composed = world.compose()
    world.approve(composed.issue)
    frozen = world.freeze(composed.issue)
    assert (frozen.state, frozen.number, frozen.frozen_at) == (IssueState.FROZEN, 1, NOW)
    assert frozen_content(frozen) == composed.content
    (variant,) = variants(world)
    assert zlib.decompress(variant.text).decode() == "One\nTwo"
    assert variant.blank_word == "k3v9"
    whole = json.dumps(["One", "<p>One\nTwo</p>", "One\nTwo", sorted(variant.headers.items())], separators=(",", ":"))
    assert variant.sha256 == hashlib.sha256(whole.encode()).hexdigest()
    with db.reading(world.engine) as session:
        assert {row.article_id for row in session.exec(select(Appearance))} == set(world.ids.values())


def test_the_stored_inputs_give_identical_bytes_again(world: World) -> None:
    """Whatever has changed since: articles, settings, the clock."""
    templates = Templates(template_root())

    def real(content: IssueContent) -> Rendered:
        return render(content, templates, "roundup", "k3v9")

    issue = world.compose().issue
    world.approve(issue)
    frozen = world.freeze(issue, real)
    (variant,) = variants(world)
    world.later(days=400).set(title="Another name")
    world.change("One", title="Rewritten")
    again = real(frozen_content(world.issue(frozen)))
    assert zlib.decompress(variant.html).decode() == again.html
    assert zlib.decompress(variant.text).decode() == again.text
    assert variant.subject == again.subject


def test_what_differs_from_the_approval_goes_back_to_draft(world: World) -> None:
    issue = world.approve(world.compose().issue)
    world.change("One", title="Something else")
    refused = world.freeze(issue)
    assert (refused.state, refused.number, refused.approved_hash) == (IssueState.DRAFT, None, "")
    assert refused.reason == "Its content is not what was approved any more: look at it and approve again."
    assert variants(world) == []
    assert world.issue(issue).state == IssueState.DRAFT


def test_a_change_of_settings_is_a_change_too(world: World) -> None:
    issue = world.approve(world.compose().issue)
    world.config = replace(world.config, site=replace(world.config.site, postal_address="2 Other Street"))
    assert world.freeze(issue).state == IssueState.DRAFT


def test_a_draft_is_not_frozen_and_a_frozen_one_not_again(world: World) -> None:
    issue = world.compose().issue
    with pytest.raises(IllegalMove, match="is draft: only an approved issue can be frozen"):
        world.freeze(issue)
    with pytest.raises(IllegalMove, match="it was never frozen"):
        frozen_content(issue)
    world.approve(issue)
    world.freeze(issue)
    with pytest.raises(IllegalMove, match="is frozen: only an approved issue can be frozen"):
        world.freeze(issue)


def test_an_output_with_problems_is_not_frozen(world: World) -> None:
    issue = world.approve(world.compose().issue)
    with pytest.raises(NeedsDecision, match="can't go out: a script is left"):
        world.freeze(issue, lambda content: replace(plain(content), problems=("a script is left",)))
    assert world.issue(issue).state == IssueState.APPROVED
    assert variants(world) == []


def test_numbers_are_unbroken(world: World) -> None:
    """Skipped and cancelled issues take none; one cancelled before it left gives its number back."""
    world.set(min_articles=2)
    first = world.compose()
    world.approve(first.issue)
    assert world.freeze(first.issue).number == 1
    cancelled = world.do(lambda session: issues.cancel(session, first.issue.id, NOW, "Wrong day."))
    assert (cancelled.state, cancelled.number, cancelled.reason) == (IssueState.CANCELLED, None, "Wrong day.")
    second = world.later(hours=1).compose()
    assert sorted(titles(second)) == ["One", "Two"]
    assert world.publish(second.issue).number == 1
    world.later(hours=1).source("a").article("Three")
    assert world.compose().issue.state == IssueState.SKIPPED
    world.later(hours=1).source("a").article("Four")
    third = world.compose()
    assert sorted(titles(third)) == ["Four", "Three"]
    assert world.publish(third.issue).number == 2


def test_what_is_on_its_way_keeps_number_and_articles_when_cancelled(world: World) -> None:
    issue = world.approve(world.compose().issue)
    world.freeze(issue)
    world.move(issue, IssueState.SENDING)
    assert world.do(lambda session: issues.cancel(session, issue.id, NOW)).number == 1
    world.later(hours=1).source("a").article("Three")
    following = world.compose()
    assert titles(following) == ["Three"]
    assert following.content is not None and following.content.number == 2


def test_an_article_that_appeared_meanwhile_stops_the_second_issue(world: World) -> None:
    issue = world.approve(world.compose().issue)
    assert issue.id is not None
    world.source("a")

    def elsewhere(session: object) -> None:
        session.add(Appearance(edition_id="weekly", article_id=world.ids["One"], issue_id=issue.id))  # type: ignore[attr-defined]

    world.do(elsewhere)
    refused = world.freeze(issue)
    assert refused.state == IssueState.DRAFT
    assert refused.reason == f"Articles of it were in an issue before ({world.ids['One']}): compose it again."


def test_the_hash_of_the_frozen_content_is_the_approved_one(world: World) -> None:
    issue = world.approve(world.compose().issue)
    frozen = world.freeze(issue)
    assert content_hash(frozen_content(frozen)) == frozen.approved_hash
