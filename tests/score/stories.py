"""How well articles of the same event are brought together: through what `digest inspect stories` takes and gives."""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from statistics import fmean

from score.table import Figure

from digest.compose.telling import inspect_stories

SHUFFLES = 5
ROOT = Path(__file__).resolve().parents[2]
Line = dict[str, str]
Groups = list[list[str]]

_FIRST_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Labelled:
    """A set of articles with the event of each by its id, in windows of ids that are told in one go."""

    lines: Mapping[str, Line]
    truth: Mapping[str, str]
    topic: Mapping[str, str]
    windows: Sequence[Sequence[str]]


def labelled(corpus: Path, name: str) -> Labelled:
    """uci (titles, URLs, times), ecbplus (title or first sentence, first sentences, URLs) or basil (with dates)."""
    folder = corpus / "news" / name
    rows = [json.loads(line) for line in (folder / "articles.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if _title(row)]
    known = {str(row["id"]) for row in rows}
    windows = [[row["id"] for row in rows]]
    if (folder / "windows.json").exists():
        windows = [one["ids"] for one in json.loads((folder / "windows.json").read_text(encoding="utf-8"))["windows"]]
    return Labelled(
        {str(row["id"]): _line(row) for row in rows},
        {str(row["id"]): str(row.get("story", row.get("event"))) for row in rows},
        {str(row["id"]): str(row.get("topic", "")) for row in rows},
        [[str(id_) for id_ in window if str(id_) in known] for window in windows],
    )


def _title(row: Mapping[str, str]) -> str:
    lead = row.get("lead") or ""
    sentence = _FIRST_SENTENCE.match(lead)
    return row.get("title") or (sentence.group() if sentence else lead)


def _line(row: Mapping[str, str]) -> Line:
    published = datetime.fromtimestamp(int(row["ts"]) / 1000, UTC).isoformat() if "ts" in row else row.get("date", "")
    return {
        "id": str(row["id"]),
        "title": _title(row),
        "summary": row.get("lead") or "",
        "url": row.get("url") or "",
        "source": row.get("publisher") or row.get("source") or "",
        "published": published,
    }


def told(lines: Sequence[Line]) -> Groups:
    """The stories that `digest inspect stories` finds."""
    found = inspect_stories("lines", "\n".join(map(json.dumps, lines)).encode())
    assert not found["problems"], found["problems"][:3]
    stories: Groups = found["stories"]
    return stories


def b_cubed(found: Groups, truth: Mapping[str, str]) -> tuple[float, float, float]:
    """Precision, recall and F1: the mean over articles of what share of its group, and of its event, is with it."""
    precise, recalled = [], []
    size = Counter(truth[one] for group in found for one in group)
    for group in found:
        inside = Counter(truth[one] for one in group)
        for event, count in inside.items():
            precise += [count / len(group)] * count
            recalled += [count / size[event]] * count
    precision, recall = fmean(precise), fmean(recalled)
    return precision, recall, 2 * precision * recall / (precision + recall)


def scored(given: Labelled) -> tuple[float, float, float, float]:
    """Mean precision, recall and F1 over the windows, and the share of look-alikes that were joined."""
    figures, joined, pairs = [], 0, 0
    for window in given.windows:
        found = told([given.lines[one] for one in window])
        figures.append(b_cubed(found, given.truth))
        group_of = {one: number for number, group in enumerate(found) for one in group}
        for one, other in combinations(window, 2):
            if given.topic[one] and given.topic[one] == given.topic[other] and given.truth[one] != given.truth[other]:
                pairs += 1
                joined += group_of[one] == group_of[other]
    precision, recall, f1 = (fmean(column) for column in zip(*figures, strict=True))
    return precision, recall, f1, joined / pairs if pairs else 0.0


def order(given: Labelled, shuffles: int = SHUFFLES) -> tuple[float, float]:
    """The widest spread of F1 when a window's input is shuffled, and how often the groups stay equal."""
    spreads, equal = [], []
    for number, window in enumerate(given.windows):
        outcomes = []
        for shuffle in range(shuffles):
            lines = [given.lines[one] for one in window]
            random.Random(f"{number} {shuffle}").shuffle(lines)
            outcomes.append(told(lines))
        values = [b_cubed(found, given.truth)[2] for found in outcomes]
        spreads.append(max(values) - min(values))
        shapes = [{frozenset(group) for group in found} for found in outcomes]
        equal += [one == other for one, other in combinations(shapes, 2)]
    return max(spreads), fmean(equal)


def equal_titles(given: Labelled) -> float:
    """The share of pairs of one event, equal in title but for case and punctuation, that are joined."""
    joined = pairs = 0
    for window in given.windows:
        group_of = {one: n for n, group in enumerate(told([given.lines[one] for one in window])) for one in group}
        same = defaultdict(list)
        for one in window:
            same[" ".join(re.findall(r"\w+", given.lines[one]["title"].casefold())), given.truth[one]].append(one)
        for alike in same.values():
            for one, other in combinations(alike, 2):
                pairs += 1
                joined += group_of[one] == group_of[other]
    return joined / pairs


def at_once(corpus: Path) -> tuple[float, float, float]:
    """All uci rows in one go, in a process of its own: seconds, peak MB, F1."""
    code = "import sys; from pathlib import Path; from score import stories; stories.one_go(Path(sys.argv[1]))"
    paths = [str(ROOT / "tests"), str(ROOT)]
    program = f"import sys; sys.path[:0] = {paths!r}; {code}"
    ran = subprocess.run([sys.executable, "-c", program, str(corpus)], capture_output=True, text=True, check=True)
    seconds, memory, f1 = map(float, ran.stdout.split())
    return seconds, memory, f1


def one_go(corpus: Path) -> None:
    """Print CPU seconds, peak memory in MB, and F1 of all uci rows told in one go."""
    given = labelled(corpus, "uci")
    began = time.process_time()
    found = told(list(given.lines.values()))
    seconds = time.process_time() - began
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, b_cubed(found, given.truth)[2])


SETS = (
    ("uci", 0.91, 0.93, "average link 0.842, best combination 0.917"),
    ("ecbplus", 0.92, 0.92, "average link 0.899, best combination 0.912"),
    ("basil", 0.97, 0.93, "average link 0.963, best combination 0.968"),
)


def figures(corpus: Path) -> Iterator[Figure]:
    """B-cubed figures, look-alikes, order, equal titles, and the cost of all at once."""
    for name, least, precise, baseline in SETS:
        given = labelled(corpus, name)
        precision, recall, f1, joined = scored(given)
        yield Figure(f"stories: B-cubed F1, {name}", f1, least, baseline=baseline, note=f"recall {recall:.3f}")
        yield Figure(f"stories: B-cubed precision, {name}", precision, precise)
        if name == "ecbplus":
            yield Figure("stories: look-alikes joined, ecbplus", joined, 0.10, at_most=True)
        spread, equal = order(given)
        yield Figure(f"stories: F1 spread over input orders, {name}", spread, 0.01, at_most=True)
        yield Figure(f"stories: equal groups over input orders, {name}", equal, 0.95)
        if name == "uci":
            yield Figure("stories: equal titles joined, uci", equal_titles(given), 0.99)
    seconds, memory, f1 = at_once(corpus)
    yield Figure("stories: all uci rows at once", seconds, unit="s CPU", note="3,360 titles")
    yield Figure("stories: all uci rows at once, peak", memory, unit="MB")
    yield Figure("stories: all uci rows at once, B-cubed F1", f1)
