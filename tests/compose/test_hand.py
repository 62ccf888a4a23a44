"""The editor's hand survives whatever is gathered and composed again; approval is bound to what was seen."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from sqlmodel import Session
from world import LINKS, NOW, World, left_out, titles

from digest import byhand
from digest.compose import issues, run
from digest.compose.content import Picture, Sponsor, from_json, to_json
from digest.config.values import SectionConfig, SectionMatch
from digest.errors import IllegalMove, NeedsDecision, NotFound, UsageError
from digest.models import Article, Issue, IssueState, Override, Placement

EUROPE = SectionConfig("europe", "Europe", SectionMatch(section=("Europe",)))


@pytest.fixture
def world(engine: Engine) -> World:
    world = World(engine).set(max_articles=3, sections=(EUROPE,))
    world.source("a").article("A", 1).article("B", 2).article("C", 3).article("D", 4)
    return world


def test_pin_and_drop_and_release(world: World) -> None:
    issue = world.compose().issue
    assert titles(world.amend(issue, issues.pin, "D")) == ["A", "B", "D"]
    dropped = world.amend(issue, issues.drop, "A")
    assert titles(dropped) == ["B", "C", "D"]
    assert left_out(dropped) == {"A": "An editor dropped it."}
    world.amend(issue, issues.release, "D")
    assert titles(world.amend(issue, issues.release, "A")) == ["A", "B", "C"]


def test_moving(world: World) -> None:
    issue = world.compose().issue
    assert titles(world.amend(issue, issues.move_article, "C", position=0)) == ["A", "C", "B"]
    moved = world.amend(issue, issues.move_article, "D", section="europe")
    assert moved.content is not None
    assert [(one.id, [row.title for row in one.articles]) for one in moved.content.sections] == [
        ("europe", ["D"]),
        ("more", ["C"]),
    ]
    assert titles(world.amend(issue, issues.move_article, "B", section="lead"))[0] == "B"
    assert titles(world.amend(issue, issues.move_article, "D", section="lead"))[0] == "D"


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"section": "asia"}, 'there is no section "asia" \\(lead, europe, more\\)'),
        ({"position": -1}, "position -1: expected 0 or more"),
        ({}, "say where to: a section, a position, or both"),
    ],
)
def test_moves_to_nowhere(world: World, given_: dict[str, Any], sentence: str) -> None:
    issue = world.compose().issue
    with pytest.raises(UsageError, match=sentence):
        world.amend(issue, issues.move_article, "A", **given_)


def test_a_section_has_a_note_and_a_question_until_they_are_emptied(world: World) -> None:
    issue = world.compose().issue
    world.amend(issue, issues.move_article, "D", section="europe")

    def edited(**words: str) -> tuple[str, str]:
        content = world.amend(
            issue, lambda session, id_, now: issues.edit_section(session, id_, "europe", now, words)
        ).content
        assert content is not None
        (section,) = (one for one in content.sections if one.id == "europe")
        return section.note, section.question

    assert edited(note=" Two views. ", question="What now?") == ("Two views.", "What now?")
    assert world.compose().content == world.amend(issue, issues.release, "A").content  # composing undoes nothing
    assert edited(note="") == ("", "What now?")
    with pytest.raises(UsageError, match='there is no section "asia" \\(europe, more\\)'):
        world.amend(issue, lambda session, id_, now: issues.edit_section(session, id_, "asia", now, {"note": "x"}))


def test_a_sponsor_is_part_of_what_is_approved(world: World) -> None:
    issue = world.compose().issue
    ad = Sponsor("", "Maps", "https://books.example/maps", "**New**", Picture("https://books.example/m.png", "A map"))
    world.approve(issue)
    sponsored = world.amend(issue, issues.set_sponsor, sponsor=ad)
    assert sponsored.content is not None
    assert sponsored.content.sponsor == ad
    assert sponsored.issue.state == IssueState.DRAFT
    assert from_json(to_json(sponsored.content)) == sponsored.content
    without = world.amend(issue, issues.set_sponsor, sponsor=None)
    assert without.content is not None
    assert without.content.sponsor is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"url": "javascript:alert(1)"}, '"javascript:alert\\(1\\)": expected an address that begins with https://'),
        ({"picture": Picture("data:image/png,x")}, '"data:image/png,x": expected an address'),
        ({"after": "asia"}, 'there is no section "asia" \\(europe, more\\)'),
    ],
)
def test_a_sponsor_leads_to_the_web_and_stands_in_the_issue(world: World, wrong: dict[str, Any], sentence: str) -> None:
    issue = world.compose().issue
    ad = replace(Sponsor("", "Maps", "https://books.example/maps"), **wrong)
    with pytest.raises(UsageError, match=sentence):
        world.amend(issue, issues.set_sponsor, sponsor=ad)


def test_words_are_the_editors_and_the_articles_own_come_back(world: World) -> None:
    issue = world.compose().issue
    edited = world.amend(issue, issues.edit_article, "A", title="A, better", dek="")
    assert titles(edited)[0] == "A, better"
    assert edited.content is not None and edited.content.subject == "A, better"
    world.change("A", title="A, as the feed now says")
    assert titles(world.compose())[0] == "A, better"
    assert titles(world.amend(issue, issues.edit_article, "A", title=" "))[0] == "A, as the feed now says"


def test_the_issues_own_words(world: World) -> None:
    issue = world.compose().issue
    words = {"subject": "Ours", "preheader": "Look", "intro": "*Dear* all", "outro": "Bye"}

    def edit(session: Session, issue_id: int, now: Any) -> object:
        return issues.edit_issue(session, issue_id, now, words)

    world.amend(issue, edit)
    content = world.later(hours=1).compose().content
    assert content is not None
    assert (content.subject, content.preheader, content.intro, content.outro) == tuple(words.values())
    words = {"subject": "", "preheader": ""}
    content = world.amend(issue, edit).content
    assert content is not None and (content.subject, content.intro) == ("A", "*Dear* all")
    words = {"title": "x"}
    with pytest.raises(UsageError, match="title: expected subject, preheader, intro, outro"):
        world.amend(issue, edit)


def test_a_pin_overrides_everything_but_another_issue(world: World) -> None:
    world.set(ranking={"floor": 90, "roll_over": 0})
    world.source("a").article("Hidden", hidden=True).article("Backlog", 24 * 30, seen_ago=1).article("Low", 60)
    issue = world.compose().issue
    for title in ("Hidden", "Backlog", "Low"):
        world.amend(issue, issues.pin, title)
    composed = world.compose()
    assert set(titles(composed)) == {"Hidden", "Backlog", "Low"}
    world.publish(composed.issue)
    world.later(hours=1).source("a").article("E")
    following = world.compose().issue
    assert left_out(world.amend(following, issues.pin, "Low")) == {"Low": "It was in issue 1."}


def test_every_edit_voids_an_approval(world: World) -> None:
    issue = world.approve(world.compose().issue)
    assert issue.state == IssueState.APPROVED
    edited = world.amend(issue, issues.pin, "A").issue
    assert (edited.state, edited.approved_hash, edited.approved_at) == (IssueState.DRAFT, "", None)
    assert edited.reason == "It was edited after its approval."


def test_approval_is_of_what_was_seen(world: World) -> None:
    issue = world.compose().issue
    seen = issue.content_hash
    world.amend(issue, issues.drop, "A")
    assert issue.id is not None
    with pytest.raises(NeedsDecision, match="has changed since it was looked at"):
        world.do(lambda session: issues.approve(session, issue.id, seen, "editor", NOW))
    world.do(lambda session: issues.pin(session, issue.id, world.ids["A"], NOW))  # edited, and not laid out since
    with pytest.raises(NeedsDecision, match="has changed since it was looked at"):
        world.do(lambda session: issues.approve(session, issue.id, "", "editor", NOW))


def test_a_rejected_issue_is_a_draft_with_the_reason(world: World) -> None:
    issue = world.approve(world.compose().issue)
    rejected = world.do(lambda session: issues.reject(session, issue.id, NOW, "Too long."))
    assert (rejected.state, rejected.reason, rejected.approved_hash) == (IssueState.DRAFT, "Too long.", "")


def test_closed_issues_and_unknown_articles(world: World) -> None:
    issue = world.compose().issue
    with pytest.raises(NotFound, match="there is no article with id 999"):
        world.amend(issue, issues.pin, 999)
    world.publish(issue)
    with pytest.raises(IllegalMove, match="is sent: only a draft or an approved issue can be edited"):
        world.amend(issue, issues.pin, "A")
    with pytest.raises(NotFound, match="there is no issue with id 77"):
        world.do(lambda session: issues.move(session, 77, IssueState.HELD, NOW))


@pytest.mark.parametrize(
    ("inputs", "closed"),
    [(None, (IssueState.HELD, IssueState.FROZEN)), (b"frozen", (IssueState.HELD, IssueState.DRAFT))],
    ids=["never frozen", "frozen before"],
)
def test_only_the_moves_of_the_table_are_made(world: World, inputs: bytes | None, closed: tuple[str, str]) -> None:
    def made(session: Session, state: IssueState) -> Issue:
        issue = Issue(edition_id="weekly", state=state, window_start=NOW, window_end=NOW, created_at=NOW, inputs=inputs)
        session.add(issue)
        session.flush()
        return issue

    def tried(session: Session) -> dict[tuple[str, str], bool]:
        done = {}
        for seen, to in product(IssueState, IssueState):
            issue = made(session, seen)
            assert issue.id is not None
            try:
                done[seen, to] = issues.move(session, issue.id, to, NOW).state == to
            except IllegalMove as error:
                assert str(error).startswith(f"issue {issue.id} is {seen}: it can't become {to} (")
                done[seen, to] = False
        return done

    done = world.do(tried)
    assert {pair for pair, moved in done.items() if moved} == {
        (seen, to) for seen, ends in issues.MOVES.items() for to in ends
    } - {closed}


def test_of_two_who_move_an_issue_one_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issue = world.compose().issue
    stale = world.issue(issue)
    world.move(issue, IssueState.CANCELLED)
    monkeypatch.setattr(issues, "issue_of", lambda session, issue_id: stale)  # what the slower one has read
    with pytest.raises(IllegalMove, match="moved by somebody else"):
        world.move(issue, IssueState.HELD)


EDITS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["pin", "drop", "release"]), st.integers(0, 5), st.none()),
        st.tuples(st.just("section"), st.integers(0, 5), st.sampled_from(["europe", "more", "lead"])),
        st.tuples(st.just("position"), st.integers(0, 5), st.integers(0, 3)),
        st.tuples(st.sampled_from(["title", "dek"]), st.integers(0, 5), st.sampled_from(["x", "y", ""])),
        st.tuples(st.just("gather"), st.integers(0, 5), st.none()),
        st.tuples(st.just("compose"), st.integers(0, 0), st.none()),
    ),
    max_size=8,
)
VERBS = {"pin": issues.pin, "drop": issues.drop, "release": issues.release}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_no_gathering_undoes_an_edit(world: World, edits: list[tuple[str, int, Any]]) -> None:
    """Random edits among gatherings that rewrite articles and bring new ones: what was decided last holds."""
    _forget(world)
    for number in range(6):
        world.source("a").article(f"T{number}", number, url=f"https://a.example/t{number}")
    issue = world.compose().issue
    wanted: dict[int, dict[str, Any]] = {number: {} for number in range(6)}
    for verb, number, value in edits:
        title, decided = f"T{number}", wanted[number]
        if verb in VERBS:
            world.amend(issue, VERBS[verb], title)
            for key in ("in", "section"):
                decided.pop(key, None)
            decided["in"] = {"pin": True, "drop": False, "release": None}[verb]
        elif verb in {"section", "position"}:
            world.amend(issue, issues.move_article, title, **{verb: value})
            decided["in"] = True
            if value == "lead":
                for other in wanted.values():
                    other.pop("lead", None)
                decided["lead"] = True
        elif verb in {"title", "dek"}:
            world.amend(issue, issues.edit_article, title, **{verb: value})
            decided[verb] = value
        elif verb == "gather":
            world.later(minutes=1).change(title, title=f"{title} again", dek="as gathered again")
    composed = world.later(minutes=1).compose()
    assert composed.content is not None
    said = {article.id: article for article in _all(composed.content)}
    for number, decided in wanted.items():
        id_ = world.ids[f"T{number}"]
        assert decided.get("in") is None or decided["in"] == (id_ in said), (number, decided)
        if id_ in said and decided.get("title"):
            assert said[id_].title == decided["title"]
        if id_ in said and "dek" in decided:
            assert said[id_].dek == decided["dek"]


def _all(content: Any) -> Any:
    from digest.compose.content import articles

    return articles(content)


def _forget(world: World) -> None:
    def empty(session: Session) -> None:
        for model in (Placement, Override, Issue, Article):
            session.exec(delete(model))

    world.do(empty)
    world.ids.clear()
    world.now = NOW


def test_what_a_source_edited_after_the_approval_can_be_approved_again(world: World) -> None:
    composed = world.compose()
    issue, first = world.approve(composed.issue), titles(composed)[0]
    world.change(first, title="As its source says now")
    refused = world.freeze(issue)
    assert (refused.state, refused.reason.split(":")[0]) == (
        IssueState.DRAFT,
        "Its content is not what was approved any more",
    )
    with pytest.raises(NeedsDecision, match="has changed since it was looked at"):
        approve(world, issue)
    assert world.issue(issue).subject == "As its source says now"
    approve(world, issue)
    assert world.freeze(issue).state == IssueState.FROZEN


def test_what_was_hidden_after_the_approval_does_not_go_out(world: World) -> None:
    composed = world.compose()
    issue, first = world.approve(composed.issue), titles(composed)[0]
    world.change(first, hidden=True)
    refused = world.freeze(issue)
    assert (refused.state, first in refused.reason) == (IssueState.DRAFT, True)
    with pytest.raises(NeedsDecision):
        approve(world, issue)
    approve(world, issue)
    world.freeze(issue)
    assert first not in titles(run.current(world.engine, world.config, LINKS, issue.id or 0))


def test_what_was_hidden_and_pinned_goes_out(world: World) -> None:
    issue = world.compose().issue
    first = titles(world.compose())[0]
    world.change(first, hidden=True)
    world.amend(issue, issues.pin, first)
    world.approve(issue)
    assert world.freeze(issue).state == IssueState.FROZEN


def test_hiding_counts_more_than_an_earlier_pin(world: World) -> None:
    issue = world.compose().issue
    world.amend(issue, issues.pin, "A")
    world.amend(issue, issues.move_article, "A", section="lead")
    world.do(lambda session: byhand.hide_article(session, str(world.ids["A"])))
    assert left_out(world.compose())["A"] == "It is hidden."


def approve(world: World, issue: Issue) -> Issue:
    assert issue.id is not None
    return run.approve(world.engine, world.config, LINKS, issue.id, "editor", world.now)
