"""Has the answer as many sentences as it should?"""

from dataclasses import dataclass
from typing import ClassVar

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.partial_credit import check_range, credit
from coalmine_evals.scorers.reference import Compares, NoReference, items_of
from coalmine_evals.scorers.texts import sentences
from coalmine_schemas.prompts.errors import InvalidPrompt


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceCount(Compares):
    """1 if the number of sentences is in a range; near it, less.

    Without `minimum` and `maximum` each case's `expected` is the number, or a list of both.
    """

    name: ClassVar[str] = "sentence_count@1"
    minimum: int | None = None
    """Fewest sentences, 0 if only `maximum` is given."""
    maximum: int | None = None
    """Most sentences; by default no limit if `minimum` is given."""
    partial: bool = True
    """Whether a number near the range gets partial credit: twice too many are worth a half."""

    def __post_init__(self) -> None:
        check_range(self.minimum or 0, self.maximum, ("minimum", "maximum"))

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        least, most = self._range(case)
        found = len(sentences(output))
        value = credit(found, least, most, partial=self.partial)
        return Score(value, {"sentences": found, "minimum": least, "maximum": most})

    def _range(self, case: Case) -> tuple[int, int | None]:
        if self.minimum is not None or self.maximum is not None:
            return self.minimum or 0, self.maximum
        match items_of(self.wanted(case)):
            case [int(least)]:
                return least, least
            case [int(least), int(most)]:
                try:
                    check_range(least, most, ("minimum", "maximum"))
                except InvalidPrompt as invalid:
                    raise NoReference(str(invalid)) from None
                return least, most
        raise NoReference("the case expects no number of sentences, and no list of fewest and most")
