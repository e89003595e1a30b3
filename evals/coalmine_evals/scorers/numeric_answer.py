"""Is the number right that the answer ends up with?"""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.numbers import final_number
from coalmine_evals.scorers.reference import Compares, NoReference, shown
from coalmine_schemas.prompts.errors import InvalidPrompt


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericAnswer(Compares):
    """1 if the answer's number is the expected one: `A: 1,000`, `#### 1000.0` and `it is $1,000.` are alike.

    The number of a text is the one after the last mark such as `A:` or `####`, else its last one; see
    `coalmine_evals.scorers.numbers`. An answer without a number is wrong.
    """

    name: ClassVar[str] = "numeric_answer@1"
    tolerance: float = 0.0
    """How far it may be from the expected number."""
    relative_tolerance: float = 0.0
    """The same as a share of the expected number, 0.01 for 1 %; the larger of both counts."""

    def __post_init__(self) -> None:
        for name in ("tolerance", "relative_tolerance"):
            if not getattr(self, name) >= 0:
                raise InvalidPrompt(name, getattr(self, name), "give 0 or more")

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        wanted = [final_number(text) for text in self.wanted_texts(case)]
        numbers = [each for each in wanted if each is not None]
        if not numbers:
            raise NoReference(f"what is expected holds no number: {shown(self.wanted_texts(case)[0])}")
        found = final_number(output)
        value = float(found is not None and any(self._is_near(found, each) for each in numbers))
        return Score(value, {"found": _written(found), "expected": _written(numbers[0])})

    def _is_near(self, found: Fraction, wanted: Fraction) -> bool:
        allowed = max(Fraction(self.tolerance), Fraction(self.relative_tolerance) * abs(wanted))
        return abs(found - wanted) <= allowed


def _written(number: Fraction | None) -> str | None:
    """As people write it; exact unless it has very many digits."""
    if number is None:
        return None
    return (
        str(number.numerator) if number.denominator == 1 else f"{number.numerator / number.denominator:.12g}"
    )
