"""The sample issue before SpamAssassin, signed as it goes out: no rule that is ours to mend counts against it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import samples
from cryptography.hazmat.primitives.asymmetric import rsa
from post import AT, LINKS, config, issue, mailing_list, reader

from digest.compose.rendering import render
from digest.deliver.dkim import Key
from digest.deliver.message import Stationery, build, prepare, standing_headers
from digest.templating import Templates, template_root

SPAMASSASSIN = shutil.which("spamassassin")
_RULE = re.compile(r"^\s*(-?\d+\.\d+) ([A-Z][A-Z0-9_]+) ", re.MULTILINE)

# Said of the place where the test runs: no relay has touched the message, and nothing is looked up in DNS.
_OF_THE_PLACE = {"NO_RELAYS", "NO_RECEIVED", "DKIM_ADSP_NXDOMAIN", "T_DKIM_INVALID", "DKIM_INVALID", "DKIM_SIGNED"}


def judged(message: bytes, folder: Path) -> dict[str, float]:
    """The rules that SpamAssassin found, with what each counts, without asking the network."""
    assert SPAMASSASSIN
    command = [SPAMASSASSIN, "-t", "-L", "--prefspath", str(folder / "prefs"), "--cf", "use_bayes 0"]
    done = subprocess.run(command, input=message, capture_output=True, timeout=300, check=True)
    report = done.stdout.decode("utf-8", "replace").rpartition("Content analysis details:")[2]
    return {name: float(points) for points, name in _RULE.findall(report)}


@pytest.mark.slow
@pytest.mark.skipif(
    SPAMASSASSIN is None, reason="spamassassin is not here: nobody says whether our mail looks like spam"
)
def test_the_sample_issue_does_not_look_like_spam(tmp_path: Path) -> None:
    mail = render(samples.RICH, Templates(template_root()), "roundup", "q7w8e9")
    headers = standing_headers(config(), LINKS, mailing_list(), issue(), AT)
    written = Stationery(mail.subject, mail.html, mail.text, headers, "q7w8e9")
    key = Key("review.example", "r1", rsa.generate_private_key(65537, 2048))
    links = replace(LINKS, base="https://news.review.example")
    who = reader(unsubscribe=links.unsubscribe(b"h" * 12, "weekly"))
    message = build(prepare(written, (key,)), who)
    assert b"DKIM-Signature:" in message
    rules = judged(message, tmp_path)
    print(f"score {sum(rules.values()):.1f}: {rules}")
    assert {name: points for name, points in rules.items() if points > 0 and name not in _OF_THE_PLACE} == {}
