"""ROUGE: overlap of n-grams, or the longest common subsequence, for summaries."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.reference import Compares, shown
from coalmine_evals.scorers.texts import words
from coalmine_evals.scorers.token_overlap import Part, overlap, part_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rouge(Compares):
    """ROUGE between answer and expected text, without stemming; of several expected texts the nearest one's.

    For English text the same as the package `rouge-score`, which drops every letter that English has not.
    """

    name: ClassVar[str] = "rouge@1"
    kind: Literal["rouge1", "rouge2", "rougeL"] = "rougeL"
    """Single words, pairs of words, or the longest common subsequence of words."""
    part: Part = "f1"
    """`recall` is what the first papers on ROUGE report."""

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        answer = words(output)
        value, text = max((self._scored(answer, words(text)), text) for text in self.wanted_texts(case))
        return Score(value, {"nearest": shown(text)})

    def _scored(self, answer: list[str], wanted: list[str]) -> float:
        match self.kind:
            case "rouge1":
                return part_of(self.part, overlap(answer, wanted), len(answer), len(wanted))
            case "rouge2":
                pairs, wanted_pairs = list(pairwise(answer)), list(pairwise(wanted))
                return part_of(self.part, overlap(pairs, wanted_pairs), len(pairs), len(wanted_pairs))
            case _:
                return part_of(self.part, common_subsequence(answer, wanted), len(answer), len(wanted))


def common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bits of an integer stand for `one`, so that 20,000 words on both sides take a second.

    References:
        Hyyrö, Bit-parallel LCS-length computation revisited, 2004, figure 3.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | (1 << place)
    full = (1 << len(one)) - 1
    row = full
    for word in other:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & full
    return len(one) - row.bit_count()
