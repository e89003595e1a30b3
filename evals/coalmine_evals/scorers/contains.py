"""Does the answer contain a text?"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.reference import Compares, shown
from coalmine_evals.scorers.texts import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains(Compares):
    """1 if the answer contains the expected text, of several all or any."""

    name: ClassVar[str] = "contains@1"
    of: Literal["all", "any"] = "all"
    """How many of several expected texts it takes."""
    ignore_case: bool = False
    """Whether `Yes` is `yes`; then runs of spaces are one space, too."""
    absent: bool = False
    """1 if the answer does *not* contain them: with `of: any` not all of them, with `of: all` none."""

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        answer = self._form(output)
        texts = self.wanted_texts(case)
        met = [(self._form(text) in answer) is not self.absent for text in texts]
        value = all(met) if self.of == "all" else any(met)
        unmet = [shown(text) for text, is_met in zip(texts, met, strict=True) if not is_met]
        return Score(float(value), {("found" if self.absent else "missing"): unmet} if unmet else {})

    def _form(self, text: str) -> str:
        return plain(text) if self.ignore_case else text
