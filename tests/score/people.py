"""Addresses, beside what their own projects say of them; exports of other programs, beside what is in them."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from score.table import Figure

from digest import db
from subscribers.addresses import POLICY, inspect_address
from subscribers.models import MailingList

sys.path.insert(0, str(Path(__file__).parents[1]))

from importing import taker

_DEAD = {"unsubscribed", "unreachable", "inactive", "0"}


def figures(corpus: Path) -> Iterator[Figure]:
    """What is accepted and refused; who is found, who is mailable, and what a second import changes."""
    accepted, refused, policy = addresses(corpus)
    yield Figure("addresses: invalid ones accepted", accepted, 0, at_most=True, unit="of them")
    yield Figure("addresses: plain valid ones refused", refused, 0, at_most=True, unit="of them")
    yield Figure("addresses: valid ones refused by policy", policy, unit="of them", note=", ".join(sorted(POLICY)))
    missed, mailable, changed = exports(corpus)
    yield Figure("exports: files of which not every address is found", missed, 0, at_most=True, unit="files")
    yield Figure("exports: unsubscribed people who would be mailed", mailable, 0, at_most=True, unit="people")
    yield Figure("exports: people whom a second import changes", changed, 0, at_most=True, unit="people")


def addresses(corpus: Path) -> tuple[int, int, int]:
    """How many invalid ones are accepted, valid ones refused, and valid ones refused by the stated policy."""
    accepted = refused = policy = 0
    for row in json.loads((corpus / "addresses" / "addresses.json").read_text()):
        text = row["address"]
        if row.get("test") == "mailbox_valid" and (named := re.search("<([^<>]*)>$", text)):
            text = named[1]
        told, expected = inspect_address(text), _expected(row)
        accepted += expected is False and told["valid"] is True
        by_policy = str(told["reason"]).partition(":")[0] in POLICY
        policy += expected is True and not told["valid"] and by_policy
        refused += expected is True and not told["valid"] and not by_policy
    return accepted, refused, policy


def _expected(row: dict[str, Any]) -> bool | None:
    if row["src"] != "isemail":
        return bool(row["valid"])
    return {"ISEMAIL_VALID_CATEGORY": True, "ISEMAIL_DNSWARN": True, "ISEMAIL_ERR": False}.get(row["category"])


def exports(corpus: Path) -> tuple[int, int, int]:
    """Each file into an empty database, twice."""
    missed = mailable = changed = 0
    for name, truth in json.loads((corpus / "exports" / "expected.json").read_text()).items():
        if "emails" not in truth:
            continue
        content = (corpus / "exports" / name).read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            take = _office(Path(folder))
            report = take(content)
            again = take(content)
        wanted = {str(inspect_address(email)["normalized"]) for email in truth["emails"]}
        missed += report["new"] != len(wanted)
        mailable += len(set(report["mailable"]) & _gone(truth, wanted))
        changed += again["new"] + again["updated"]
    return missed, mailable, changed


def _gone(truth: dict[str, Any], everybody: set[str]) -> set[str]:
    if "unsubscribed" in truth.get("import_as", ""):
        return everybody
    return {
        str(inspect_address(email)["normalized"])
        for email, said in truth.get("status_by_email", {}).items()
        if {str(value).casefold() for key, value in said.items() if key.casefold() == "status"} & _DEAD
        or said.get("email_disabled") == "true"
    }


def _office(folder: Path) -> Any:
    engine = db.open_engine(f"sqlite:///{folder / 'people.db'}")
    db.upgrade(engine)
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    with db.writing(engine) as session:
        session.add(MailingList(id="weekly", title="Weekly", created_at=now))
    return taker(engine, now)
