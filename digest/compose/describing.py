"""Issues as plain data: what the commands print with `--json`, and the desk will show."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from digest.compose.candidates import Looked
from digest.compose.content import ArticleContent, articles
from digest.compose.run import Composed, Explained
from digest.models import Article, Issue, IssueState, Override, Placement, SectionBy

_NUMBERLESS = {IssueState.SKIPPED, IssueState.CANCELLED}


def described(composed: Composed) -> dict[str, Any]:
    """The whole issue; every article stands in its section, the lead too, or in `left_out` with the reason."""
    issue, content = composed.issue, composed.content
    provisional = content.number if content and issue.state not in _NUMBERLESS else None
    whole = listed(issue) | {
        "number": issue.number or provisional,
        "subject": content.subject if content else issue.subject_override or issue.subject,
        "preheader": content.preheader if content else issue.preheader_override or issue.preheader,
        "intro": issue.intro,
        "outro": issue.outro,
        "sponsor": issue.sponsor,
        "content_hash": issue.content_hash,
        "sections": _sections(composed),
        "left_out": [
            _left_out(row, composed.articles[row.article_id]) for row in composed.placements if row.left_out is not None
        ],
    }
    return {"issue": whole, "problems": list(composed.problems), "question": composed.question}


def listed(issue: Issue) -> dict[str, Any]:
    """The issue in a line of a list."""
    return {
        "id": issue.id,
        "edition": issue.edition_id,
        "number": issue.number,
        "state": str(issue.state),
        "reason": issue.reason,
        "subject": issue.subject_override or issue.subject,
        "segments": issue.segments,
        "due_at": _instant(issue.due_at),
        "window": [_instant(issue.window_start), _instant(issue.window_end)],
        "sent_at": _instant(issue.sent_at),
    }


def explained(found: Explained) -> dict[str, Any]:
    """Where the article stands in the issue and each factor of its score; or why it does not stand there."""
    row = found.placement
    return {
        "issue": found.issue.id,
        "article": found.article.id,
        "title": found.article.title,
        "placed": found.reason is None,
        "section": row.section_id if row and found.reason is None else None,
        "section_by": settled(row),
        "position": row.position if row and found.reason is None else None,
        "left_out": found.reason,
        "cause": (row.cause or None) if row else None,
        "notes": row.notes if row else [],
        "score": row.score if row else None,
        "reasons": row.reasons if row else [],
        "also": _also(row),
        "new": bool(row and row.is_new),
        "editor": _hand(found.override),
    }


_POINTS = 12  # the width of a column of points


def reckoned(said: Mapping[str, Any]) -> list[str]:
    """What `explained` says, in lines for a terminal: the place, the story, and the points as a sum."""
    where = said["left_out"] or (
        f'It leads the issue, from the section "{said["section"]}".'
        if said["position"] == 0
        else f'It stands in the section "{said["section"]}", at place {said["position"]} of the issue.'
    )
    lines = [*_wrapped(said["title"], ""), "", *_wrapped(where, "  ")]
    if said["section_by"]:
        lines += _wrapped(f'Section "{said["section"]}": {reason_of_section(said["section_by"])}.', "  ")
    for sentence in said["notes"]:
        lines += _wrapped(sentence, "  ")
    if said["also"]:
        lines += _wrapped(f"Also covered by {_others(said['also'])}.", "  ")
    if said["editor"]:
        decided = (name if value is True else f"{name} {value}" for name, value in said["editor"].items())
        lines += _wrapped(f"By hand: {', '.join(decided)}.", "  ")
    if not said["reasons"]:
        return lines
    rows = [
        (row["factor"], f"x {row['value']:g}", f"{row['share']:+,.4f}" if row["share"] else "0.0000")
        for row in said["reasons"]
    ]
    lines += ["", f"  {'FACTOR':<12}{'VALUE':>10}{'POINTS':>{_POINTS}}"]
    lines += [f"  {factor:<12}{value:>10}{share:>{_POINTS}}" for factor, value, share in rows]
    return [
        *lines,
        f"  {'':<12}{'':>10}{'-' * 10:>{_POINTS}}",
        f"  {'score':<12}{'':>10}{said['score']:>{_POINTS},.4f}",
    ]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 79, initial_indent=indent, subsequent_indent=indent)


def settled(row: Placement | None) -> dict[str, Any] | None:
    """Who decided on a placed article's section; of a guess, how likely it was, and of how many past articles."""
    if row is None or not row.section_by:
        return None
    told = {"by": str(row.section_by), "confidence": row.confidence, "learned_from": row.learned_from}
    return {key: value for key, value in told.items() if value is not None}


def reason_of_section(by: Mapping[str, Any]) -> str:
    """The same in words, after the section's name."""
    match by["by"]:
        case SectionBy.LEARNED:
            return f"learned from {by['learned_from']} past articles, confidence {by['confidence']:.2f}"
        case SectionBy.EDITOR:
            return "an editor put it there"
        case SectionBy.RULE:
            return "its rule fits"
    return "no rule fits, and no guess is sure enough"


def told(composed: Composed) -> list[str]:
    """The whole issue in lines for a terminal."""
    said = described(composed)
    issue = said["issue"]
    head = f"Issue {issue['id']} of {issue['edition']}, {issue['state']}"
    lines = [f"{head}, no. {issue['number']}" if issue["number"] else head]
    lines += [text for text in (issue["reason"], issue["subject"] and f"Subject: {issue['subject']}") if text]
    for section in issue["sections"]:
        lines += ["", section["title"]]
        lines += [f"  {text}" for text in (section.get("question"), section.get("note")) if text]
        lines += [_line(article) for article in section["articles"]]
    if issue["sponsor"]:
        lines += ["", f"Sponsor: {issue['sponsor']['title']}, {issue['sponsor']['url']}"]
    if issue["left_out"]:
        lines += ["", "Left out"]
        lines += [f"  {row['id']:>5}  {row['title']}: {row['reason']}" for row in issue["left_out"]]
    return lines + [text for text in ("", *said["problems"], said["question"]) if text]


def _line(article: Mapping[str, Any]) -> str:
    marks = "".join(f" [{mark}]" for mark in ("lead", "new") if article[mark])
    also = f" (also {_others(article['also'])})" if article["also"] else ""
    return f"  {article['id']:>5}  {article['score']:8.2f}  {article['title']}{also}{marks}"


def _sections(composed: Composed) -> list[dict[str, Any]]:
    content = composed.content
    if content is None:
        return []
    rows = {row.article_id: row for row in composed.placements}
    titles = {**composed.titles, **{section.id: section.title for section in content.sections}}
    members: dict[str, list[ArticleContent]] = {}
    for article in articles(content):  # in reading order, so the lead's section comes first
        members.setdefault(rows[article.id].section_id, []).append(article)
    return [
        {
            "id": section_id,
            "title": titles.get(section_id, section_id),
            **composed.issue.section_words.get(section_id, {}),
            "articles": [_placed(article, rows[article.id], composed) for article in inside],
        }
        for section_id, inside in members.items()
    ]


def _placed(article: ArticleContent, row: Placement, composed: Composed) -> dict[str, Any]:
    lead = composed.content.lead if composed.content else None
    return {
        "id": article.id,
        "title": article.title,
        "url": article.url,
        "source": composed.articles[article.id].source_id,
        "score": row.score,
        "section_by": settled(row),
        "also": _also(row),
        "lead": lead is not None and lead.id == article.id,
        "new": row.is_new,
    }


def _left_out(row: Placement, article: Article | Looked) -> dict[str, Any]:
    return {
        "id": article.id,
        "title": article.title,
        "url": article.url,
        "source": article.source_id,
        "score": row.score,
        "reason": row.left_out,
        "cause": row.cause,
    }


def _also(row: Placement | None) -> list[dict[str, Any]]:
    return [{**one, "id": int(one["id"])} for one in row.also] if row else []


def _others(also: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(one.get("title") or one["source"] for one in also)


def _hand(override: Override | None) -> dict[str, Any]:
    if override is None:
        return {}
    decided = {
        "pinned": override.pinned or None,
        "dropped": override.dropped or None,
        "update": override.update or None,
        "section": override.section_id,
        "position": override.position,
        "title": override.title,
        "dek": override.dek,
    }
    return {name: value for name, value in decided.items() if value is not None}


def _instant(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
