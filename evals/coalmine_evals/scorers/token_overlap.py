"""How many words do the answer and the expected text share?"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.reference import Compares, shown
from coalmine_evals.scorers.texts import words

Part = Literal["f1", "precision", "recall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOverlap(Compares):
    """F1 of the words that both share, whatever their order; of several expected texts the nearest one's."""

    name: ClassVar[str] = "token_overlap@1"
    part: Part = "f1"
    """`precision` is the share of the answer's words that are expected; `recall` the share of those."""

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        answer = words(output)
        scored = []
        for text in self.wanted_texts(case):
            wanted = words(text)
            scored.append((part_of(self.part, overlap(answer, wanted), len(answer), len(wanted)), text))
        value, text = max(scored)
        return Score(value, {"nearest": shown(text)})


def overlap(one: Iterable[Hashable], other: Iterable[Hashable]) -> int:
    """Number of things that both hold, each as often as in both."""
    return (Counter(one) & Counter(other)).total()


def part_of(part: Part, shared: int, answer: int, wanted: int) -> float:
    """Precision, recall or F1 of an answer that shares some of its things with what is expected."""
    if part == "f1":
        return 2 * shared / (answer + wanted) if answer + wanted else 0.0
    of = answer if part == "precision" else wanted
    return shared / of if of else 0.0
