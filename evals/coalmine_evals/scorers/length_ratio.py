"""Is the answer about as long as it should be?"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.partial_credit import check_range, credit
from coalmine_evals.scorers.reference import Compares, NoReference, as_text
from coalmine_evals.scorers.texts import words


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthRatio(Compares):
    """1 if the answer's length over that of the expected text or an input is in a range; near it, less."""

    name: ClassVar[str] = "length_ratio@1"
    minimum: float = 0.5
    """Smallest ratio."""
    maximum: float = 2.0
    """Largest ratio."""
    variable: str | None = None
    """The input variable to compare with, for a summary, say; by default what is expected."""
    unit: Literal["characters", "words"] = "characters"
    """What is counted."""
    partial: bool = True
    """Whether a ratio near the range gets partial credit: twice too long is worth a half."""

    def __post_init__(self) -> None:
        check_range(self.minimum, self.maximum, ("minimum", "maximum"))

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        lengths = [self._length(text) for text in self._texts(case)]
        found = self._length(output)
        if not all(lengths):
            raise NoReference("the text to compare with is empty")
        ratios = [found / length for length in lengths]
        scored = [(credit(each, self.minimum, self.maximum, partial=self.partial), each) for each in ratios]
        value, ratio = max(scored)
        return Score(value, {"ratio": round(ratio, 4), "length": found})

    def _texts(self, case: Case) -> list[str]:
        if self.variable is None:
            return self.wanted_texts(case)
        if self.variable not in case.variables:
            raise NoReference(f"the case has no variable {self.variable}")
        return [as_text(case.variables[self.variable])]

    def _length(self, text: str) -> int:
        return len(words(text)) if self.unit == "words" else len(text.strip())
