"""Whose fault a refusal is: codes and words as RFCs and the providers' public pages give them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from digest.deliver.pacing.causes import RELAYS, Cause, of_reply, of_trouble
from digest.deliver.replies import Reply, parse_reply

REPLIES = [
    # the recipient's own
    ("550 5.1.1 The email account that you tried to reach does not exist", Cause.RECIPIENT),
    ("550 5.1.2 bad destination system address", Cause.RECIPIENT),
    ("553 5.1.3 bad destination mailbox address syntax", Cause.RECIPIENT),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", Cause.RECIPIENT),
    ("550 5.2.1 The email account that you tried to reach is disabled", Cause.RECIPIENT),
    ("552 5.2.2 The recipient's inbox is out of storage space", Cause.RECIPIENT),
    ("452 4.2.2 The recipient's inbox is out of storage space", Cause.RECIPIENT),
    ("550 5.4.1 Recipient address rejected: Access denied", Cause.RECIPIENT),
    ("550 User unknown", Cause.RECIPIENT),
    ("550 Requested action not taken: mailbox unavailable", Cause.RECIPIENT),
    ("554 delivery error: This user doesn't have an account; no such user", Cause.RECIPIENT),
    ("550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized", Cause.RECIPIENT),
    ("550 5.7.1 you are not allowed to post to this list", Cause.RECIPIENT),
    ("552 mailbox is full", Cause.RECIPIENT),
    ("450 4.1.1 Recipient address rejected: unverified address", Cause.RECIPIENT),
    # policy: what we are, what we send, where we send it from
    ("550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy", Cause.POLICY),
    ("550 5.7.26 To protect our users from spam, the sender must authenticate with SPF or DKIM", Cause.POLICY),
    ("550 5.7.515 Access denied, sending domain does not meet the required authentication level", Cause.POLICY),
    ("421 4.7.32 The From: header isn't aligned with either the SPF or DKIM organizational domain", Cause.POLICY),
    ("421 4.7.26 This mail has been rate limited because it is unauthenticated", Cause.POLICY),
    ("421 4.7.27 SPF authentication didn't pass", Cause.POLICY),
    ("421 4.7.30 DKIM authentication didn't pass", Cause.POLICY),
    ("550 5.7.25 The IP address sending this message does not have a PTR record", Cause.POLICY),
    ("550 5.7.27 SPF did not pass", Cause.POLICY),
    ("550 5.7.29 not sent over a TLS connection", Cause.POLICY),
    ("550 5.7.30 DKIM did not pass", Cause.POLICY),
    ("550 5.7.1 Our system has detected that this message is likely unsolicited mail", Cause.POLICY),
    ("550 5.7.1 messages weren't sent: part of their network is on our block list (S3140)", Cause.POLICY),
    ("550 5.7.1 This message violates example.com email policy", Cause.POLICY),
    ("554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org", Cause.POLICY),
    ("554 Message rejected: reputation of the sending host is poor", Cause.POLICY),
    ("550 5.7.606 Access denied, banned sending IP", Cause.POLICY),
    ("550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP", Cause.POLICY),
    ("552 5.3.4 Message size exceeds fixed limit", Cause.POLICY),
    ("553 5.7.1 [BL21] connections will not be accepted because of the Spamhaus list", Cause.POLICY),
    # too fast
    ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", Cause.THROTTLED),
    ("421 4.7.28 Our system has detected an unusual rate of mail from your IP address", Cause.THROTTLED),
    ("421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume or user complaints", Cause.THROTTLED),
    ("421 4.7.0 Try again later, closing connection", Cause.THROTTLED),
    ("451 4.7.500 Server busy. Please try again later", Cause.THROTTLED),
    ("451 4.7.650 The mail server has been temporarily rate limited due to IP reputation", Cause.THROTTLED),
    # not now, of nobody's doing
    ("451 4.7.1 Greylisting in action, please come back later", Cause.GREYLISTED),
    ("450 4.2.0 Recipient address rejected: Greylisted", Cause.GREYLISTED),
    ("451 4.7.1 please try again", Cause.GREYLISTED),
    ("451 4.3.0 Mail server temporarily rejected message", Cause.TEMPORARY),
    ("451 4.4.1 no answer from host", Cause.TEMPORARY),
    ("451 Requested action aborted: local error in processing", Cause.TEMPORARY),
    ("452 4.3.1 insufficient system storage", Cause.TEMPORARY),
    ("421 4.3.2 system not accepting network messages", Cause.TEMPORARY),
    # the relay's, at whatever stage it says so
    ("530 5.7.0 Must issue a STARTTLS command first", Cause.LOG_IN),
    ("550 5.7.1 Authentication required", Cause.LOG_IN),
    ("535 5.7.8 Authentication credentials invalid", Cause.LOG_IN),
    ("554 5.7.1 <ann@example.org>: Relay access denied", Cause.RELAYING),
    ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", Cause.RELAYING),
    ("550 5.4.5 Daily user sending limit exceeded", Cause.QUOTA),
    ("454 Throttling failure: Maximum sending rate exceeded", Cause.QUOTA),
    ("454 Throttling failure: Daily message quota exceeded", Cause.QUOTA),
    ("452 4.5.3 too many recipients", Cause.QUOTA),
    ("550 5.1.8 Bad sender's system address", Cause.SENDER),
    # 5.7.x and 554 that do not say whom they mean
    ("550 5.7.1 delivery not authorized, message refused", Cause.UNCLEAR),
    ("554 5.7.0 rejected", Cause.UNCLEAR),
    ("554 transaction failed", Cause.UNCLEAR),
    ("571 no", Cause.UNCLEAR),
]


def reply(said: str) -> Reply:
    return parse_reply([said.encode()])


@pytest.mark.parametrize(("said", "cause"), REPLIES, ids=[said[:40] for said, _ in REPLIES])
def test_a_reply_to_a_recipient_has_a_cause(said: str, cause: Cause) -> None:
    assert of_reply(reply(said)) is cause


TROUBLES = [
    ("log-in", "535 5.7.8 Error: authentication failed", Cause.LOG_IN),
    ("log-in", "454 4.7.0 Temporary authentication failure", Cause.BUSY),
    ("log-in", None, Cause.LOG_IN),
    ("tls", None, Cause.TLS),
    ("tls", "454 4.7.0 TLS not available due to temporary reason", Cause.TLS),
    ("connect", None, Cause.REACH),
    ("connect", "554 5.7.1 go away", Cause.REACH),
    ("connect", "421 Too many concurrent SMTP connections", Cause.BUSY),
    ("ehlo", "550 5.7.1 no", Cause.REACH),
    ("mail", "550 5.7.1 you may not", Cause.SENDER),
    ("mail", "553 5.7.1 Sender address rejected: not owned by user", Cause.SENDER),
    ("mail", "530 5.7.0 Authentication required", Cause.LOG_IN),
    ("mail", "454 Throttling failure: Daily message quota exceeded", Cause.QUOTA),
    ("mail", "451 4.3.2 later", Cause.BUSY),
    ("rset", "554 Too many nonmail commands", Cause.BUSY),
    ("rset", "421 4.4.2 timeout exceeded", Cause.BUSY),
]


@pytest.mark.parametrize(("stage", "said", "cause"), TROUBLES)
def test_trouble_with_a_relay_has_a_cause(stage: str, said: str | None, cause: Cause) -> None:
    assert of_trouble(stage, reply(said) if said else None) is cause
    assert cause in RELAYS


def test_no_known_bounce_of_an_address_that_is_not_there_is_laid_at_our_door(corpus: Path) -> None:
    """Real replies: what says user unknown (5.1.1) is the recipient's in at least 99 of 100."""
    found = re.compile(r"(?<![\d.])(5\d\d)[ -](5\.1\.1) ([^\r\n]{5,200})")
    said = {
        " ".join(match.groups())
        for path in sorted((corpus / "bounces").rglob("*"))
        if path.is_file()
        for match in found.finditer(path.read_text("latin-1"))
    }
    wrong = [one for one in said if of_reply(reply(one)) is not Cause.RECIPIENT]
    assert len(said) > 50
    assert len(wrong) <= len(said) / 100, wrong[:5]
