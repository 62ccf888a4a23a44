"""Articles become an issue: windows, slots, thin weeks, what is never twice. On both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import Session
from world import LINKS, NOW, Slot, World, left_out, titles

from digest.compose import run
from digest.config.values import SectionConfig, SectionMatch
from digest.errors import NotFound, NothingToDo
from digest.models import Edition, IssueState


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def test_a_week_becomes_a_draft(world: World) -> None:
    world.set(
        sections=(SectionConfig("europe", "Europe", SectionMatch(section=("Europe",))),), subject="{{ lead.title }}"
    )
    world.source("a").article("Old", hours_ago=48).article("New", hours_ago=2, image_url="https://a.example/1.png")
    world.source("b").article("Elsewhere", hours_ago=1, section="Europe")
    composed = world.compose()
    assert composed.issue.state == IssueState.DRAFT
    assert composed.content is not None and composed.content.lead is not None
    assert composed.content.lead.title == composed.content.subject == "New"
    assert [(one.title, [row.title for row in one.articles]) for one in composed.content.sections] == [
        ("Europe", ["Elsewhere"]),
        ("More", ["Old"]),
    ]
    assert composed.content.number == 1 and composed.issue.number is None
    assert composed.content.web_url == "https://news.review.example/archive/weekly/1"
    assert composed.content.preheader == "Elsewhere · Old · The Weekly · The Review"
    assert composed.content.date == NOW.date()


def test_composing_again_takes_the_same_draft_and_marks_what_is_new(world: World) -> None:
    world.source("a").article("First")
    one = world.compose()
    world.later(hours=2).source("a").article("Second")
    two = world.compose()
    assert two.issue.id == one.issue.id
    assert {two.articles[row.article_id].title: row.is_new for row in two.placements} == {
        "First": False,
        "Second": True,
    }


def test_equal_rows_give_an_equal_issue_in_any_order_of_insertion(engine: Engine) -> None:
    world = World(engine)
    for number in (3, 1, 4, 2, 5):
        world.source("a").article(f"Title {number}", hours_ago=1 + number % 2)
    assert titles(world.compose()) == ["Title 2", "Title 4", "Title 1", "Title 3", "Title 5"]
    assert world.compose().issue.content_hash == world.compose().issue.content_hash


def test_what_was_sent_never_comes_again(world: World) -> None:
    world.source("a").article("One").article("Two")
    world.publish(world.compose().issue)
    world.later(hours=3).source("a").article("Three")
    world.change("One", title="One, edited", available_at=world.now - timedelta(minutes=1))
    composed = world.compose()
    assert titles(composed) == ["Three"]
    assert left_out(composed) == {"One, edited": "It was in issue 1."}
    assert composed.content is not None and composed.content.number == 2


def test_what_tells_a_story_that_was_sent_counts_as_sent(world: World) -> None:
    world.source("a").article("Same story", hours_ago=1)
    world.source("b").article("Same Story!", hours_ago=5)
    composed = world.compose()
    assert titles(composed) == ["Same story"]
    assert composed.content is not None and composed.content.lead is not None
    assert [one.source for one in composed.content.lead.also] == ["B"]
    assert left_out(composed) == {"Same Story!": 'It tells the same story as "Same story" (A).'}
    world.publish(composed.issue)
    world.later(hours=1).change("Same Story!", available_at=NOW + timedelta(minutes=30))
    world.source("a").article("Another")
    assert titles(world.compose()) == ["Another"]


def test_a_source_that_was_down_for_weeks_loses_nothing(world: World) -> None:
    world.source("a").article("Before", hours_ago=1)
    world.publish(world.compose().issue)
    down_at = world.now
    world.later(days=21)
    world.source("a").article("From the dark", hours_ago=15 * 24, seen_ago=1, previous_look_at=down_at)
    assert titles(world.compose()) == ["From the dark"]


def test_a_new_source_brings_the_window_and_not_its_archive(world: World) -> None:
    archive = world.source("a").article("Fresh", hours_ago=24, seen_ago=1)
    for number in range(5):
        archive.article(f"Archive {number}", hours_ago=24 * (30 + number), seen_ago=1)
    composed = world.compose()
    assert titles(composed) == ["Fresh"]
    assert all("backlog" in reason for reason in left_out(composed).values())
    assert len(left_out(composed)) == 5
    world.set(window_days=10_000)
    assert len(titles(world.compose())) == 6


def test_an_article_seen_at_the_cut_goes_into_the_next_issue(world: World) -> None:
    world.source("a").article("Before").article("At the cut", hours_ago=0)
    first = world.compose()
    assert titles(first) == ["Before"]
    world.publish(first.issue)
    assert titles(world.later(hours=1).compose()) == ["At the cut"]


def test_open_issues_share_nothing(world: World) -> None:
    world.source("a").article("One")
    friday = Slot("2026-11-20T13:00", NOW + timedelta(hours=1))
    first = world.compose(friday)
    world.approve(first.issue)
    world.later(hours=2).source("a").article("Two").article("Three")
    next_friday = Slot("2026-11-27T13:00", NOW + timedelta(days=7))
    second = world.compose(next_friday)
    assert titles(second) == ["Three", "Two"]
    assert left_out(second) == {}
    assert titles(world.compose(friday)) == ["One"]


def test_a_slot_has_one_issue_and_a_closed_one_is_left_alone(world: World) -> None:
    slot = Slot("2026-11-20T13:00", NOW)
    world.source("a").article("One")
    first = world.compose(slot)
    assert world.compose(slot).issue.id == first.issue.id
    world.publish(first.issue)
    with pytest.raises(NothingToDo, match="the issue of weekly for 2026-11-20T13:00 is sent already"):
        world.compose(slot)
    assert len(world.issues()) == 1


def test_two_who_compose_one_slot_at_once_make_one_issue(world: World) -> None:
    world.source("a").article("One")
    slot = Slot("2026-11-20T13:00", NOW)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: world.compose(slot), range(4)))
    assert len({one.issue.id for one in made}) == len(world.issues()) == 1


def test_a_slot_takes_over_the_draft_made_by_hand_and_by_hand_the_slots(world: World) -> None:
    world.source("a").article("One")
    by_hand = world.compose()
    slot = Slot("2026-11-20T13:00", NOW + timedelta(hours=1))
    taken = world.compose(slot)
    assert (taken.issue.id, taken.issue.slot) == (by_hand.issue.id, slot.local)
    assert world.compose().issue.id == by_hand.issue.id


@pytest.mark.parametrize(
    ("if_thin", "state", "next_week"),
    [
        ("skip", IssueState.SKIPPED, ["Two", "Three"]),
        ("roll over", IssueState.SKIPPED, ["Two", "Three", "One"]),
        ("ask", IssueState.DRAFT, None),
    ],
)
def test_thin_weeks(world: World, if_thin: str, state: str, next_week: list[str] | None) -> None:
    world.set(min_articles=2, if_thin=if_thin)
    world.source("a").article("One")
    thin = world.compose(Slot("2026-11-20T12:00", NOW))
    assert thin.issue.state == state
    assert thin.issue.number is None
    said = thin.question or thin.issue.reason
    assert said.startswith("The issue is thin: there is 1 article, and the edition asks for 2 at least.")
    assert (thin.question is not None) == (if_thin == "ask")
    if next_week is None:
        assert titles(thin) == ["One"]
        return
    world.later(days=7).source("a").article("Two", hours_ago=1).article("Three", hours_ago=2)
    following = world.compose(Slot("2026-11-27T12:00", world.now))
    assert titles(following) == next_week
    assert following.content is not None and following.content.number == 1


def test_a_thin_draft_waits_for_its_slot(world: World) -> None:
    world.set(min_articles=2)
    world.source("a").article("One")
    slot = Slot("2026-11-21T12:00", NOW + timedelta(days=1))
    early = world.compose(slot)
    assert early.issue.state == IssueState.DRAFT
    assert "thin" in early.problems[0]
    world.later(hours=24)
    assert world.compose(slot).issue.state == IssueState.SKIPPED


def test_a_thin_try_by_hand_loses_no_articles(world: World) -> None:
    world.set(min_articles=2)
    world.source("a").article("One")
    assert world.compose().issue.state == IssueState.SKIPPED
    world.later(hours=1).source("a").article("Two")
    assert sorted(titles(world.compose())) == ["One", "Two"]


def test_a_cancelled_issue_gives_its_articles_back(world: World) -> None:
    world.source("a").article("One")
    world.move(world.compose().issue, IssueState.CANCELLED)
    assert titles(world.later(hours=1).compose()) == ["One"]


def test_an_approval_stands_while_the_content_does(world: World) -> None:
    world.source("a").article("One")
    issue = world.approve(world.compose().issue)
    assert world.compose().issue.state == IssueState.APPROVED
    world.later(hours=1).source("a").article("Two")
    again = world.compose().issue
    assert (again.id, again.state, again.approved_hash) == (issue.id, IssueState.DRAFT, "")


@pytest.mark.parametrize(
    "title", ["{{7*7}}", "</mj-text><mj-raw>", "{% for x in y %}", "=?utf-8?q?a=0D=0ABcc:?=", "bk3v9xnamex"]
)
def test_hostile_titles_stay_text(world: World, title: str) -> None:
    world.set(subject="{{ lead.title }} ({{ count }})")
    world.source("a").article(title, url="https://a.example/1", dek=title)
    composed = world.compose()
    assert composed.content is not None and composed.content.lead is not None
    assert composed.content.lead.title == composed.content.lead.dek == title
    assert composed.content.subject == f"{title} (1)"
    assert composed.problems == ()


@pytest.mark.parametrize("subject", ["{{ nobody.title }}", "{{ lead.title", "{% for x in lead %}x{% endfor %}"])
def test_a_subject_that_cant_be_used_gives_a_plain_one_and_says_so(world: World, subject: str) -> None:
    world.set(subject=subject)
    world.source("a").article("One")
    composed = world.compose()
    assert composed.content is not None and composed.content.subject == "The Weekly: One"
    assert composed.problems[0].startswith("The subject of edition weekly can't be used, a plain one stands instead:")


def test_subjects_know_the_issue(world: World) -> None:
    world.set(subject="{{ edition }} no. {{ number }}, {{ date | day }}: {{ lead.title }} and {{ count - 1 }} more")
    world.source("a").article("One", hours_ago=1).article("Two", hours_ago=2)
    content = world.compose().content
    assert content is not None and content.subject == "The Weekly no. 1, Friday, November 20, 2026: One and 1 more"


def test_editions_that_are_not_there(world: World) -> None:
    with pytest.raises(NotFound, match="there is no edition 'daily' \\(weekly\\)"):
        run.compose(world.engine, world.config, LINKS, "daily", world.now)

    def off(session: Session) -> None:
        row = session.get(Edition, "weekly")
        assert row is not None
        row.active = False

    world.do(off)
    with pytest.raises(NotFound, match="none is set up"):
        world.compose()


def test_explaining(world: World) -> None:
    world.set(max_articles=1)
    world.source("a").article("In").article("Out", hours_ago=9).article("Ahead", hours_ago=-9)
    issue = world.compose().issue
    assert issue.id is not None
    found = {name: run.explain(world.engine, issue.id, world.ids[name]) for name in ("In", "Out", "Ahead")}
    assert found["In"].reason is None
    assert found["Out"].reason == "The issue is full: 1 articles at most."
    assert found["Ahead"].placement is None
    assert found["Ahead"].reason is not None and "after the cut" in found["Ahead"].reason
    with pytest.raises(NotFound, match="there is no article with id 999"):
        run.explain(world.engine, issue.id, 999)
