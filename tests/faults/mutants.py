"""The engine, made wrong in one place at a time (R-52): each has to be caught by the test named with it.

A mutant lives in a copy of the checkout; the checkout itself is never touched. By hand:

    python tests/faults/mutants.py            every mutant, one line each
    python tests/faults/mutants.py NUMBER     that one, with what its test says
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PARTS = ("digest", "subscribers", "templates", "tests", "pyproject.toml", "config.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Mutant:
    """In each file, the first text stands once and becomes the second; `test` fails then."""

    name: str
    test: str
    edits: tuple[tuple[str, str, str], ...]


HANDING, LEDGER, SENDER, TALK, OUTCOMES, FILLING, DIALOGUE = (
    f"digest/deliver/{name}.py" for name in ("handing", "ledger", "sender", "talk", "outcomes", "filling", "dialogue")
)
FIRST = "digest/migrations/versions/0001_first.py"
DELIVER, HANDS, BOOKS, KILLED, WINDOWS, SLICES, TALKS = (
    f"tests/deliver/test_{name}.py::test_"
    for name in ("deliver", "handing", "ledger", "kill", "window", "slices", "dialogue")
)

MUTANTS = [
    Mutant(
        "outcomes are committed when the batch is through",
        KILLED + "no_commit_has_more_rows_handed_over_than_the_windows_hold[1]",
        (
            (
                SENDER,
                "        self.writer.ask(handing.settle, ending, partial(self._settled, work, settled.state))",
                "        done = partial(self._settled, work, settled.state)\n"
                "        asyncio.get_running_loop().call_later(0.2, self.writer.ask, handing.settle, ending, done)",
            ),
        ),
    ),
    Mutant(
        "leave is given without comparing the fence",
        BOOKS + "a_lease_that_ran_out_is_taken_over_and_fenced[sqlite]",
        (
            (
                HANDING,
                "standing = _standing(session, [leaf.work for leaf in leaves])",
                "standing = {_key(leaf.work): True for leaf in leaves}",
            ),
        ),
    ),
    Mutant(
        "outcomes are written without comparing the fence",
        SLICES + "nothing_is_settled_once_the_slice_is_taken_away[sqlite]",
        (
            (
                HANDING,
                "standing = _standing(session, [end.work for end in endings])",
                "standing = {_key(end.work): True for end in endings}",
            ),
        ),
    ),
    Mutant(
        "a person may have two rows of an issue",
        KILLED + "an_audience_written_again_from_the_start_has_everybody_once",
        (
            (FIRST, 'sa.UniqueConstraint("occasion", "subscriber_id"),', ""),
            (
                FILLING,
                "sqlite.insert(_d).values(filled).on_conflict_do_nothing(index_elements=_ONCE)",
                "sqlite.insert(_d).values(filled)",
            ),
        ),
    ),
    Mutant(
        "leave is given whoever may be mailed",
        DELIVER + "who_left_before_their_transaction_began_gets_nothing[sqlite]",
        ((HANDING, '"issue": may_receive_issue(_d.c.subscriber_id, _d.c.list_id, at),', '"issue": true(),'),),
    ),
    Mutant(
        "the body is written before leave is committed",
        DELIVER + "who_left_before_their_transaction_began_gets_nothing[sqlite]",
        (
            (
                TALK,
                "                self._desk.ask(job.work, self._relay, partial(self._answered, job))",
                "                self._desk.ask(job.work, self._relay, lambda given: None)\n"
                "                self._answered(job, True)",
            ),
        ),
    ),
    Mutant(
        "a transaction begins without RSET",
        TALKS + "a_refusal_at_any_place_of_the_window_moves_no_mail_under_another_sender",
        (
            (DIALOGUE, 'f"RSET\\r\\nMAIL FROM', 'f"MAIL FROM'),
            (DIALOGUE, "_ENVELOPE = (Stage.RSET, Stage.MAIL, Stage.RCPT)", "_ENVELOPE = (Stage.MAIL, Stage.RCPT)"),
        ),
    ),
    Mutant(
        "what a dead sender had handed over counts as sent",
        BOOKS + "what_a_dead_sender_had_handed_goes_by_the_policy",
        ((LEDGER, "(S.HANDED,), S.UNKNOWN, reason=UNANSWERED)", "(S.HANDED,), S.SENT)"),),
    ),
    Mutant(
        "what a dead sender had handed over is sent again under hold",
        BOOKS + "what_a_dead_sender_had_handed_goes_by_the_policy",
        ((LEDGER, 'back = S.HELD if unknown == "hold" else S.PENDING', "back = S.PENDING"),),
    ),
    Mutant(
        "what ends without an answer in our own hands is sent again under hold",
        DELIVER + "a_connection_lost_after_the_dot_is_unknown",
        ((HANDING, 'held if end.unknown == "hold" else {', 'held if end.unknown == "" else {'),),
    ),
    Mutant(
        "rows that were not begun stay claimed when a slice is given back",
        SLICES + "what_was_not_begun_is_pending_when_its_slice_is_given_back[sqlite]",
        (
            (
                LEDGER,
                "        _change(session, hold, (S.CLAIMED,), S.PENDING)\n        counts[S.PENDING] +=",
                "        counts[S.PENDING] +=",
            ),
        ),
    ),
    Mutant(
        "421 is a refusal of the recipient",
        TALKS + "chunked_replies_decide_together",
        (
            (
                DIALOGUE,
                "Refused(said) if said.digit == 5 else",
                "Refused(said) if said.digit == 5 or said.code == 421 else",
            ),
        ),
    ),
    Mutant(
        "behind 421 in the window everything is a refusal",
        WINDOWS + "behind_421_in_the_window_nothing_was_taken",
        ((DIALOGUE, "return one.decided or Fault(why)", "return one.decided or Refused(Reply(421, None, why))"),),
    ),
    Mutant(
        "a slice is taken from whoever holds it",
        BOOKS + "one_slice_has_one_holder[sqlite]",
        ((LEDGER, "or_(_s.c.holder.is_(None), ", "or_(_s.c.id > 0, "),),
    ),
    Mutant(
        "a lease is judged by the wall clock",
        BOOKS + "no_clock_takes_a_slice_from_its_holder",
        ((LEDGER, "or_(_s.c.holder.is_(None), ", "or_(_s.c.holder.is_(None), _s.c.lease_until < now, "),),
    ),
    Mutant(
        "a lease is not renewed",
        SLICES + "a_renewed_lease_reaches_on_from_now[sqlite]",
        (
            (
                LEDGER,
                "update(_s).where(*ours(hold)).values(lease_until=now + LEASE)) == 1",
                "update(_s).where(*ours(hold)).values(holder=hold.holder)) == 1",
            ),
        ),
    ),
    Mutant(
        "what is put off is tried again at once",
        SLICES + "what_is_put_off_waits_for_its_own_time[sqlite]",
        ((LEDGER, "or_(_d.c.next_try_at.is_(None), _d.c.next_try_at <= now))", "_d.c.id > 0)"),),
    ),
    Mutant(
        "every try has a Message-ID of its own",
        DELIVER + "a_connection_lost_after_the_dot_is_unknown",
        ((SENDER, "work.name, work.message_id, unsub", 'work.name, f"<{id(work)}@review.example>", unsub'),),
    ),
    Mutant(
        "a pause is not looked at",
        DELIVER + "pausing_stops_and_resuming_sends_exactly_the_rest[sqlite]",
        ((HANDING, "and_(_i.c.state.in_(FLOWING), _i.c.paused.is_(False))", "_i.c.state.in_(FLOWING)"),),
    ),
    Mutant(
        "an issue is sent when one of its slices is",
        SLICES + "an_issue_is_sent_when_its_last_slice_is[sqlite]",
        ((LEDGER, "_i.c.state == IssueState.SENDING, ~unfinished)", "_i.c.state == IssueState.SENDING)"),),
    ),
]


def copied(folder: Path) -> Path:
    """The checkout again, as far as the tests of delivery need it."""
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("corpus"))
        elif source.exists():
            shutil.copy2(source, folder / part)
    return folder


def mutate(folder: Path, mutant: Mutant) -> None:
    """Make that copy wrong; an error when a place is not there any more, or not the only one."""
    for name, old, new in mutant.edits:
        file = folder / name
        text = file.read_text()
        assert text.count(old) == 1, f"{mutant.name}: its place stands {text.count(old)} times in {name}"
        file.unlink()
        file.write_text(text.replace(old, new))


def run(folder: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The tests, in that copy."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DIGEST_", "COV_"))}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-k",
        "not postgresql",
        *tests,
    ]
    return subprocess.run(
        words, cwd=folder, env={**ours, "PYTHONPATH": ""}, capture_output=True, text=True, check=False
    )


def caught(said: subprocess.CompletedProcess[str]) -> bool:
    """Whether a test failed, as opposed to not being found or not being run."""
    return said.returncode == 1 and " failed" in said.stdout


def main(*chosen: str) -> int:
    """Try mutants, and tell of each."""
    missed = 0
    for number, mutant in enumerate(MUTANTS, 1):
        if chosen and str(number) not in chosen:
            continue
        with tempfile.TemporaryDirectory() as folder:
            mutate(copied(Path(folder)), mutant)
            said = run(Path(folder), [mutant.test])
        missed += not caught(said)
        print(f"{number:2} {'caught' if caught(said) else 'MISSED'}  {mutant.name}  ({mutant.test})", flush=True)
        if chosen or not caught(said):
            print(said.stdout[-3000:])
    return missed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
