"""How well sections are guessed from a few labelled rows, beside two linear baselines on the same splits."""

from __future__ import annotations

import gzip
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from score.table import Figure

from digest.compose.learning import Example, Guess, learn

SEEDS = 10
EACH = (10, 100)  # labelled rows of a section; half of them where a section has fewer than twice as many
Labels = list[str]


@dataclass(frozen=True)
class Split:
    """Rows whose section is known, and rows to be labelled."""

    past: list[Example]
    new: list[Example]


def corpora(corpus: Path) -> dict[str, list[Example]]:
    """The sets by name; huffpost also without its URLs, with its authors, and its sections of over 100 rows alone."""
    news = corpus / "news"
    agnews = [Example(r["title"], r["description"], "", r["label"]) for r in _lines(news / "agnews/articles.jsonl.gz")]
    raw = _lines(news / "huffpost/articles.jsonl.gz")
    huffpost = [Example(r["headline"], r["short_description"], r["link"], r["category"]) for r in raw]
    many = Counter(row.section for row in huffpost)
    uci = [Example(r["title"], "", r["url"], r["category"]) for r in _lines(news / "uci/articles.jsonl")]
    return {
        "agnews": agnews,
        "huffpost": huffpost,
        "huffpost, without URLs": [replace(row, url="") for row in huffpost],
        "huffpost, with authors": [
            replace(row, marks=(f"author {r['authors']}",)) for row, r in zip(huffpost, raw, strict=True)
        ],
        "huffpost, sections of over 100 rows": [row for row in huffpost if many[row.section] > 100],
        "uci": uci,
    }


def _lines(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return [json.loads(line) for line in text.splitlines()]


def splits(rows: Sequence[Example], each: int, seeds: int = SEEDS) -> Iterator[Split]:
    """Rows of every section drawn at random, `seeds` times."""
    members: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        members[row.section].append(number)
    for seed in range(seeds):
        dice = np.random.default_rng(seed)
        drawn: set[int] = set()
        for section in sorted(members):
            own = dice.permutation(members[section])
            drawn.update(own[: min(each, len(own) // 2)].tolist())
        yield Split([rows[at] for at in sorted(drawn)], [row for at, row in enumerate(rows) if at not in drawn])


def macro_f1(truth: Sequence[str], found: Sequence[str]) -> float:
    """The mean of the sections' F1, each weighing the same."""
    told, said = Counter(truth), Counter(found)
    right = Counter(one for one, other in zip(truth, found, strict=True) if one == other)
    return statistics.fmean(2 * right[one] / (told[one] + said[one]) for one in told | said)


def calibration(truth: Sequence[str], found: Sequence[Guess]) -> float:
    """Expected calibration error: how far confidence and share of right guesses are apart, over ten equal bins."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for section, guess in zip(truth, found, strict=True):
        bins[min(int(guess.confidence * 10), 9)].append((guess.confidence, guess.section_id == section))
    return sum(abs(sum(sure for sure, _ in own) - sum(right for _, right in own)) for own in bins.values()) / len(truth)


def ours(split: Split) -> list[Guess]:
    """Our guesses."""
    window = [replace(row, section="") for row in split.new]
    model = learn(split.past, window)
    assert model is not None
    return model.guesses(window)


def baselines() -> dict[str, Callable[[Split], Labels]]:
    """TF-IDF with logistic regression, and with a linear SVM over bigrams; needs scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    def labels(model: object, split: Split) -> Labels:
        model.fit([_text(row) for row in split.past], [row.section for row in split.past])  # type: ignore[attr-defined]
        return list(model.predict([_text(row) for row in split.new]))  # type: ignore[attr-defined]

    bigrams = {"ngram_range": (1, 2), "sublinear_tf": True}
    return {
        "logistic": lambda split: labels(make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)), split),
        "SVM": lambda split: labels(make_pipeline(TfidfVectorizer(**bigrams), LinearSVC(random_state=0)), split),
    }


def _text(row: Example) -> str:
    return f"{row.title} {row.dek}"


def figures(corpus: Path) -> Iterator[Figure]:
    """Macro-F1 with no, 10 and 100 labelled rows a section; calibration; time."""
    linear = baselines()
    for name, rows in corpora(corpus).items():
        truth = [row.section for row in rows]
        most = Counter(truth).most_common(1)[0][0]
        if "," not in name:
            # Nothing can be learned: all of them go to the section that takes the rest.
            yield Figure(
                f"sections: macro-F1, {name}, 0 rows", macro_f1(truth, [most] * len(truth)), note="no rule set"
            )
        for each in EACH:
            yield from _figures(name, rows, each, linear if "," not in name or "over" in name else {})
    yield from _times()


def _figures(
    name: str, rows: Sequence[Example], each: int, linear: dict[str, Callable[[Split], Labels]]
) -> Iterator[Figure]:
    reached: dict[str, list[float]] = defaultdict(list)
    errors = []
    for split in splits(rows, each):
        truth = [row.section for row in split.new]
        guesses = ours(split)
        reached["ours"].append(macro_f1(truth, [guess.section_id for guess in guesses]))
        errors.append(calibration(truth, guesses))
        for kind, method in linear.items():
            reached[kind].append(macro_f1(truth, method(split)))
    said = ", ".join(f"{kind} {_spread(reached[kind])}" for kind in linear)
    best = max((statistics.fmean(reached[kind]) for kind in linear), default=None)
    mean = statistics.fmean(reached["ours"])
    note = f"{SEEDS} splits, sd {statistics.stdev(reached['ours']):.3f}"
    yield Figure(f"sections: macro-F1, {name}, {each} rows", mean, best, baseline=said, note=note)
    yield Figure(f"sections: calibration error, {name}, {each} rows", statistics.fmean(errors))


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


def _times() -> Iterator[Figure]:
    dice = np.random.default_rng(0)
    zipf = dice.zipf(1.3, 12_000 * 30) % 40_000
    texts = [" ".join(f"w{number}" for number in row) for row in zipf.reshape(-1, 30)]
    past = [Example(text, section=str(number % 19)) for number, text in enumerate(texts[:2_000])]
    window = [Example(text) for text in texts[2_000:]]
    for said, new in (("2,000 rows, 19 sections", []), ("and beside 10,000 articles", window)):
        began = time.process_time()
        model = learn(past, new)
        yield Figure(f"sections: to learn, {said}", time.process_time() - began, unit="s CPU")
    assert model is not None
    began = time.process_time()
    model.guesses(window)
    yield Figure("sections: to label 10,000 articles", time.process_time() - began, unit="s CPU")
