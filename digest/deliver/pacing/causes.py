"""Whose fault it is: what a relay said becomes a cause, by stage, code, enhanced code (RFC 3463) and known words. Pure.

    the relay's     REACH  TLS  LOG_IN  SENDER  RELAYING  QUOTA  BUSY
    a domain's      POLICY  THROTTLED  TEMPORARY
    the recipient's RECIPIENT  GREYLISTED  UNCLEAR (5.7.x that does not say whom it means)

Only what is the recipient's may end a delivery for good; all else waits for somebody's mend.
"""

from __future__ import annotations

import re
from enum import StrEnum

from digest.deliver.replies import Reply


class Cause(StrEnum):
    """Why a message was not taken."""

    REACH = "connection"
    TLS = "TLS"
    LOG_IN = "log-in"
    SENDER = "sender"
    RELAYING = "relaying"
    QUOTA = "quota"
    BUSY = "busy"
    POLICY = "policy"
    THROTTLED = "rate"
    TEMPORARY = "outage"  # one alone is nobody's; many in a row are a domain's outage
    RECIPIENT = "recipient"
    GREYLISTED = "greylisting"
    UNCLEAR = "unclear"


RELAYS = frozenset(
    {Cause.REACH, Cause.TLS, Cause.LOG_IN, Cause.SENDER, Cause.RELAYING, Cause.QUOTA, Cause.BUSY}
)  # the relay's, or our standing with it: no message may go over it

# RFC 7372, RFC 7505 and the providers' published lists: SPF, DKIM, DMARC, PTR, TLS, spam and alignment.
_POLICY_DETAILS = frozenset(map(str, (*range(20, 28), 29, 30, 31, 32)))
_RATE_DETAILS = frozenset({"28", "500", "650"})
_EXCHANGE_PERSONAL = frozenset(map(str, range(120, 140)))

_POLICY = re.compile(
    r"polic(y|ies)|block(ed|[ -]?list)|black[ -]?list|banned|spamhaus|barracuda|sorbs|spamcop|proofpoint|"
    r"\b(spf|dkim|dmarc|arc|ptr|rbl|dnsbl)\b|reverse dns|reputation|unauthenticated|authentication (level|check)|"
    r"unsolicited|\bspam\b|\bbulk\b|suspicious|complaint|sender(s|'s)? (domain|policy)|message size|too (large|big)|"
    r"not (whitelisted|in whitelist)|virus|malicious|content (rejected|denied)|\bs31[45]0\b",
    re.IGNORECASE,
)
_RATE = re.compile(
    r"throttl|rate[ -]?limit|\brates?\b|too (quickly|fast|many (messages|mails|connections|concurrent|recent))|"
    r"slow(ing)? down|\[TSS?\d+\]|\bTSS?\d{2}\b|server busy|deferred due to|temporarily deferred|receiving mail at",
    re.IGNORECASE,
)
_GREY = re.compile(r"gr[ea]y[ -]?list|grey|postgrey", re.IGNORECASE)
_RELAYING = re.compile(
    r"relay(ing)? (is )?(access )?(denied|not (allowed|permitted)|prohibited)|not (allowed|permitted) to relay|"
    r"unable to relay|relaying",
    re.IGNORECASE,
)
_UNAUTHENTICATED = re.compile(r"authentication (is )?required|must issue a starttls|log ?in first", re.IGNORECASE)
_QUOTA = re.compile(
    r"(daily|hourly|monthly|sending|message|user|account)[\w ]* (quota|limit)s? "
    r"(was |has been |is )?(exceeded|reached)|"
    r"maximum sending rate|exceeded (your|the)[\w ]*(quota|limit)|sending (quota|limit)|throttling failure",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"mailbox (is )?(full|over)|over ?quota|mailbox quota|exceeded (his|her|their|storage)|inbox is (full|out)|"
    r"out of storage|insufficient disk",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"(user|mailbox|recipient|account|address|alias)[\w <>@.'\"-]{0,60}"
    r"(unknown|not (found|exist|available|known|active)|does ?n[o']t exist|disabled|inactive|invalid|unavailable)|"
    r"(unknown|no such|invalid|bad|non-?existent) (local |virtual )?(user|mailbox|recipient|account|alias|address)|"
    r"nobody (here|by)|unrouteable|host or domain name not found|domain (not found|does not exist)",
    re.IGNORECASE,
)
_PERSONAL = re.compile(
    r"(restricted|not (allowed|authorized|permitted)) to (send|post|e?-?mail) to|only accepts? (mail|messages)|"
    r"(user|recipient|member)s?\b.{0,40}(does not accept|refuse[sd]?|reject(s|ed) (your|mail from))",
    re.IGNORECASE,
)


def of_trouble(stage: str, reply: Reply | None) -> Cause:
    """The cause of a connection or a sender that was not had: `stage` is connect, tls, log-in, ehlo or a command.

    A server that refuses every connection, or is in want of TLS, is one that can't be reached.
    """
    if stage == "log-in":
        # 454 4.7.0: the server can't look the password up now (RFC 4954 section 4); anything else is our log-in.
        return Cause.BUSY if reply and reply.digit == 4 else Cause.LOG_IN
    if stage == "tls":
        return Cause.TLS
    if reply is None:
        return Cause.REACH
    if ours := _ours(reply):
        return ours
    if reply.digit == 5:
        return {"mail": Cause.SENDER, "rset": Cause.BUSY}.get(
            stage, Cause.REACH
        )  # a relay that tires of us refuses RSET
    return Cause.BUSY


def of_reply(reply: Reply) -> Cause:
    """The cause of a 4xx or 5xx to a recipient, or to the whole message."""
    return _ours(reply) or (_later(reply) if reply.digit == 4 else _never(reply))


def _ours(reply: Reply) -> Cause | None:
    # Whatever it answers: the relay says that it does not know us, or that we had all we may have.
    subject, detail = status = _parts(reply)
    never = reply.digit == 5
    full = subject == "2" or _FULL.search(reply.text)
    rules = (
        (subject == "7" and detail in _POLICY_DETAILS, None),  # "you must authenticate" means SPF and DKIM there
        (reply.code in (530, 534, 535, 538), Cause.LOG_IN),
        (never and (status in (("7", "8"), ("7", "9")) or _UNAUTHENTICATED.search(reply.text)), Cause.LOG_IN),
        (never and _RELAYING.search(reply.text), Cause.RELAYING),
        (status in (("1", "7"), ("1", "8")), Cause.SENDER),
        (not full and (status in (("4", "5"), ("5", "3")) or _QUOTA.search(reply.text)), Cause.QUOTA),
    )
    return next((cause for fits, cause in rules if fits), None)


def _later(reply: Reply) -> Cause:
    subject, detail = _parts(reply)
    rate, personal = _RATE.search(reply.text), subject in ("1", "2")
    rules = (
        (_GREY.search(reply.text), Cause.GREYLISTED),
        (subject == "2" and detail == "1" and rate, Cause.THROTTLED),
        (personal, Cause.RECIPIENT),
        (subject == "7" and detail in _POLICY_DETAILS, Cause.POLICY),
        (rate or (subject == "7" and detail in _RATE_DETAILS), Cause.THROTTLED),
        (subject == "7" and _POLICY.search(reply.text), Cause.POLICY),
        (_FULL.search(reply.text), Cause.RECIPIENT),
        (subject == "7" and reply.code == 421, Cause.THROTTLED),
        (subject == "7", Cause.GREYLISTED),
    )
    return next((cause for fits, cause in rules if fits), Cause.TEMPORARY)


def _never(reply: Reply) -> Cause:
    subject, detail = _parts(reply)
    named = _NOBODY.search(reply.text) or _FULL.search(reply.text)
    rules = (
        (subject in ("1", "2") or (subject == "4" and detail in ("1", "4", "6")), Cause.RECIPIENT),
        (subject == "7", _refused(reply, detail)),
        (subject == "3" and detail == "4", Cause.POLICY),  # too big for their system
        (named, Cause.RECIPIENT),
        (_POLICY.search(reply.text), Cause.POLICY),
        (subject not in ("3", "5", "6") and reply.code in (550, 551, 553), Cause.RECIPIENT),
    )
    return next((cause for fits, cause in rules if fits), Cause.UNCLEAR)


def _refused(reply: Reply, detail: str) -> Cause:
    if detail in _EXCHANGE_PERSONAL or _PERSONAL.search(reply.text) or _NOBODY.search(reply.text):
        return Cause.RECIPIENT
    if detail in _POLICY_DETAILS or detail in _RATE_DETAILS or len(detail) == 3:
        return Cause.POLICY
    return Cause.POLICY if _POLICY.search(reply.text) or _RATE.search(reply.text) else Cause.UNCLEAR


def _parts(reply: Reply) -> tuple[str, str]:
    if reply.enhanced is None:
        return "", ""
    _, subject, detail = reply.enhanced.split(".")
    return subject, detail
