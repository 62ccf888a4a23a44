"""What a page says of itself, clue by clue: where it was said, and the words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_CLUES = 60  # of one field; a page with more says nothing
MAX_WORDS = 5_000  # characters of one clue


@dataclass
class Clues:
    """Clues by field ("title", "author", ...), each with the name of its evidence, in the order of the page."""

    found: defaultdict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, about: str, evidence: str, words: object) -> None:
        """Keeps a clue if it has words."""
        if isinstance(words, str) and words.strip() and len(self.found[about]) < MAX_CLUES:
            self.found[about].append((evidence, words.strip()[:MAX_WORDS]))

    def ranked(self, about: str, weights: dict[str, int]) -> Iterator[tuple[str, str]]:
        """The clues about a field, the most trusted evidence first, within one evidence in the order of the page."""
        told = [clue for clue in self.found[about] if clue[0] in weights]
        yield from sorted(told, key=lambda clue: -weights[clue[0]])
