"""From wishes to rows of the ledger and to mail: each reader their variant, each variant printed once."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from mailbox import Mailbox
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office import issue_state, leave, open_office, rows
from post import AT, LINKS, config
from sqlalchemy import Engine, select
from variety import (
    AUTHORS,
    CONTENT,
    SECTIONS,
    Got,
    Wisher,
    choose,
    compiles,
    ledger_of,
    one_more_issue,
    open_variety,
    quick,
)

from digest import db
from digest.compose import rendering
from digest.compose.content import articles
from digest.deliver import filling, reporting
from digest.deliver import run as delivering
from digest.deliver.progress import Going
from digest.deliver.run import deliver, enqueue_issue
from digest.deliver.sender import Sender
from digest.deliver.slicing import BAND
from digest.errors import NeedsDecision
from digest.models import Delivery, Edition, IssueState, Slice, table

ALL = tuple(article.id for article in articles(CONTENT))
HOMES = {CONTENT.lead.id: "crises"} | {one.id: part.id for part in CONTENT.sections for one in part.articles}  # type: ignore[union-attr]
NAMES = st.lists(st.sampled_from([*SECTIONS, "sports"]), max_size=2)
PEOPLE = st.lists(st.sampled_from([*AUTHORS[:4], "Nobody"]), max_size=2)
WISHERS = st.builds(
    Wisher,
    st.fixed_dictionaries(
        {}, optional={"sections": NAMES, "muted_sections": NAMES, "authors": PEOPLE, "muted_authors": PEOPLE}
    ),
    st.sampled_from([None, None, "ar", "ja"]),
)


def expected(wisher: Wisher) -> tuple[int, ...]:
    """The articles that follow from the choices; with a muted lead another one is read first."""
    choices = {name: {one.casefold() for one in names} for name, names in wisher.choices.items()}
    sections, people = choices.get("sections", set()), choices.get("authors", set())
    kept = []
    for article in articles(CONTENT):
        wrote = {byline.name.casefold() for byline in article.bylines}
        unwanted = HOMES[article.id] in choices.get("muted_sections", ()) or wrote & choices.get("muted_authors", set())
        if not unwanted and (not (sections or people) or HOMES[article.id] in sections or wrote & people):
            kept.append(article.id)
    return tuple(sorted(kept))


def fits(got: Got, wisher: Wisher) -> bool:
    wanted = expected(wisher)
    if not wanted:
        return (got.state, got.reason, got.articles) == ("skipped", filling.NOTHING, ())
    language = wisher.language or "en"
    return (got.state, tuple(sorted(got.articles)), got.language or "en") == ("pending", wanted, language)


def test_every_reader_gets_exactly_what_follows_from_their_choices(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_variety(engine, [Wisher({})] * 12)
    numbers = iter(range(13, 1000))

    @given(st.lists(WISHERS, min_size=12, max_size=12))
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    def hold(wishers: list[Wisher]) -> None:
        number = next(numbers)
        choose(engine, wishers)
        one_more_issue(engine, number)
        with quick(monkeypatch):
            counts = enqueue_issue(engine, config(), number, AT)
        got = ledger_of(engine, number)
        assert sorted(got) == list(range(1, 13))
        assert [wisher for n, wisher in enumerate(wishers, 1) if not fits(got[n], wisher)] == []
        assert counts["skipped"] == sum(not expected(wisher) for wisher in wishers)

    hold()


def fifty(count: int) -> list[Wisher]:
    """So many readers with 50 outcomes, and more different choices than that."""
    muted = [[], *([name] for name in AUTHORS[:9])]
    languages = [None, "ar", "ja", "de", "fr"]
    wishers = [Wisher({"muted_authors": who} if who else {}, lang) for who in muted for lang in languages]
    other = {"muted_sections": ["gone"], "editions": ["gone"]}
    return [
        replace(one, choices=one.choices | other) if n % 3 == 0 else one
        for n, one in enumerate(wishers * (count // 50 + 1))
    ][:count]


@pytest.mark.slow
def test_fifty_outcomes_are_fifty_compiles(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    count = int(os.environ.get("DIGEST_READERS", "2000"))  # the figure to show is 100,000
    wishers = fifty(count)
    open_variety(engine, wishers)
    with compiles(monkeypatch) as seen:
        assert enqueue_issue(engine, config(), 12, AT)["pending"] == count
    assert len(seen) == 49  # everybody's was printed when the issue was frozen
    got = ledger_of(engine)
    assert [n for n, wisher in enumerate(wishers, 1) if not fits(got[n], wisher)] == []
    with db.reading(engine) as session:
        shares = reporting.by_variant(session, 12)
    assert len(shares) == 50
    assert max(shares.values()) - min(shares.values()) <= 1


def killed(engine: Engine, after: int) -> bool:
    """Whether the writing was cut off when it said so for the n-th time."""
    said = 0

    def tell(label: str, done: int, total: int | None, going: Going | None = None) -> None:
        nonlocal said
        said += 1
        if said > after:
            raise KeyboardInterrupt

    try:
        enqueue_issue(engine, config(), 12, AT, tell)
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.slow
def test_killed_between_variants_and_between_chunks_it_goes_on_to_the_same_rows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE", 200)
    monkeypatch.setattr(filling, "CHUNK", 200)
    monkeypatch.setattr(filling, "_LEAST", 200)
    monkeypatch.setattr(delivering, "_PRINTED", 10)
    wishers = fifty(1000)
    open_variety(engine, wishers)
    with quick(monkeypatch) as seen:
        kills = 0
        for after in (0, 1, 2, 0, 1, 0):
            if not killed(engine, after):
                break
            kills += 1
            assert issue_state(engine) == IssueState.FROZEN
        counts = enqueue_issue(engine, config(), 12, AT)
    assert kills >= 5
    assert (counts["pending"], len(seen)) == (1000, 49)
    got = ledger_of(engine)
    assert [n for n, wisher in enumerate(wishers, 1) if not fits(got[n], wisher)] == []
    one_more_issue(engine, 13)
    with quick(monkeypatch):
        enqueue_issue(engine, config(), 13, AT)
    whole = ledger_of(engine, 13)
    assert {n: (one.articles, one.language) for n, one in whole.items()} == {
        n: (one.articles, one.language) for n, one in got.items()
    }


def test_slices_hold_few_variants_and_keep_count(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "SLICE", 100)
    monkeypatch.setattr(filling, "_LEAST", 100)
    monkeypatch.setattr(filling, "CHUNK", 100)
    open_variety(engine, [*fifty(590), *[Wisher({"sections": ["sports"]})] * 10])
    with quick(monkeypatch):
        counts = enqueue_issue(engine, config(), 12, AT)
    row = table(Delivery)
    with db.reading(engine) as session:
        found = session.execute(select(row.c.slice_id, row.c.variant_id, row.c.state)).all()
        slices = {one.id: one for one in session.execute(select(table(Slice))).all()}
    inside: dict[int, set[int]] = {}
    sizes = Counter(one.slice_id for one in found)
    for one in found:
        inside.setdefault(one.slice_id, set()).add(one.variant_id)
    assert max(map(len, inside.values())) <= BAND
    assert max(sizes.values()) <= 100
    assert len(sizes) <= 12  # filled up over several chunks: 600 readers in bands of 16 variants
    for number, size in sizes.items():
        assert sum(slices[number].counts.values()) == size
        assert slices[number].done == (inside[number] == {0})
    assert {state: count for state, count in counts.items() if count} == {"pending": 590, "skipped": 10}
    with db.reading(engine) as session:
        assert dict(reporting.status(session, 12)) == dict(counts)


def test_nobody_follows_what_is_in_it(engine: Engine) -> None:
    open_variety(engine, [Wisher({"sections": ["sports"]})] * 3)
    counts = enqueue_issue(engine, config(), 12, AT)
    assert {state: count for state, count in counts.items() if count} == {"skipped": 3}
    assert issue_state(engine) == IssueState.SENT
    with db.reading(engine) as session:
        said = reporting.answer(session, 12, "reader2@example.org")
    assert said == "It was not sent to this address: nothing-chosen."
    assert rows(engine)["reader2@example.org"].settled_at == AT


def test_whoever_chose_other_editions_is_not_of_the_audience(engine: Engine) -> None:
    open_variety(
        engine, [Wisher({"editions": ["daily"]}), Wisher({"editions": ["daily", "weekly"]}), Wisher({"editions": []})]
    )
    with db.writing(engine) as session:
        session.add(Edition(id="daily", list_id="weekly", title="Daily"))
    assert enqueue_issue(engine, config(), 12, AT)["pending"] == 2
    assert sorted(ledger_of(engine)) == [2, 3]
    with db.reading(engine) as session:
        said = reporting.answer(session, 12, "reader1@example.org")
    assert said == "It was not sent to this address: the person chose other editions of the list."


def test_a_chunk_of_people_of_other_editions_is_not_the_end(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "SLICE", 4)
    open_variety(engine, [*[Wisher({"editions": ["daily"]})] * 4, Wisher({})])
    with db.writing(engine) as session:
        session.add(Edition(id="daily", list_id="weekly", title="Daily"))
    assert enqueue_issue(engine, config(), 12, AT)["pending"] == 1


def test_a_variant_that_must_not_go_out_stops_all_of_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    open_variety(engine, [Wisher({}), Wisher({}, "ja"), Wisher({}, "ar")])
    plain = rendering.render

    def render(content: Any, *given: Any, **named: Any) -> rendering.Rendered:
        rendered = plain(content, *given, **named)
        return replace(rendered, problems=("a script is left",)) if content.language == "ja" else rendered

    with monkeypatch.context() as patch:
        patch.setattr("digest.compose.freezing.render", render)
        with pytest.raises(NeedsDecision) as caught:
            enqueue_issue(engine, config(), 12, AT)
    assert str(caught.value) == (
        "issue 12 can't go out: readers who chose among its sections, authors and languages get 11 of its 11 articles, "
        "\"The strait where the ships stopped answering\" first, in 'ja', and that can't be mailed: a script is left"
    )
    assert issue_state(engine) == IssueState.FROZEN
    assert ledger_of(engine) == {}
    assert enqueue_issue(engine, config(), 12, AT)["pending"] == 3


def send(engine: Engine, box: Mailbox, before: Any = None) -> Counter[str]:
    settled = config(box.relay())
    enqueue_issue(engine, settled, 12, datetime.now(UTC))
    if before:
        before()
    done = asyncio.run(deliver(engine, settled, LINKS, issue_id=12, until_done=True))
    return Counter({state: count for state, count in done.counts.items() if count})


def test_each_one_is_sent_theirs_and_leaving_meanwhile_still_wins(engine: Engine) -> None:
    wishers = [
        Wisher({"sections": ["europe"]}),
        Wisher({"sections": ["europe"]}),
        Wisher({"muted_sections": ["europe"]}),
    ]
    open_variety(engine, [*wishers, Wisher({"sections": ["sports"]}), Wisher({}, "ar")])
    with Mailbox() as box:
        counts = send(engine, box, lambda: leave(engine, 2))
        bodies = {got.rcpt: got for got in box.messages}
    assert counts == {"sent": 3, "skipped": 2}
    assert sorted(bodies) == ["reader1@example.org", "reader3@example.org", "reader5@example.org"]
    europe = "The border town that votes twice"
    assert [europe in text(bodies[f"reader{n}@example.org"]) for n in (1, 3, 5)] == [True, False, True]
    assert "The strait" not in bodies["reader1@example.org"].header("Subject")
    books = rows(engine)
    assert [books[f"reader{n}@example.org"].reason for n in (2, 4)] == ["unsubscribed", filling.NOTHING]
    assert issue_state(engine) == IssueState.SENT


def text(got: Any) -> str:
    import email
    from email import policy

    message = email.message_from_bytes(got.raw, policy=policy.default)
    part = message.get_body(("plain",))
    assert part is not None
    return " ".join(str(part.get_content()).split())


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_few_variants_are_in_memory_while_many_are_sent(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(7)
    wishers = [
        Wisher({"muted_authors": dice.sample(AUTHORS[:6], dice.randint(0, 5))}, dice.choice([None, "de", "ar", "ja"]))
        for _ in range(200)
    ]
    open_variety(engine, wishers)
    most, plain = 0, Sender._stationery

    async def watched(self: Sender, works: Any) -> Any:
        nonlocal most
        found = await plain(self, works)
        held = {id(one) for pile in self.piles.values() for one in pile.prepared.values()}
        most = max(most, len(held | {id(one) for one in (*self.prepared.values(), *found.values())}))
        return found

    monkeypatch.setattr(Sender, "_stationery", watched)
    with quick(monkeypatch) as seen, Mailbox(judge=False) as box:
        counts = send(engine, box)
    assert counts == {"sent": 200}
    assert len(seen) > 80
    assert most <= 64


def test_nothing_is_printed_where_nobody_chose(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    open_office(engine, 40)  # an issue without a content to print from
    with compiles(monkeypatch) as seen:
        assert enqueue_issue(engine, config(), 12, AT)["pending"] == 40
    assert seen == []
