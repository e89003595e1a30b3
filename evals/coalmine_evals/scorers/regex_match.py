"""Does a regular expression match?"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.patterns import Pattern, TookTooLong, pattern_of
from coalmine_evals.scorers.reference import Compares, NoReference, shown, unscored
from coalmine_schemas.prompts.errors import InvalidPrompt

Flag = Literal["ignorecase", "multiline", "dotall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegexMatch(Compares):
    """1 if a regular expression is found in the answer; of several expected ones, any."""

    name: ClassVar[str] = "regex@1"
    pattern: str | None = None
    """The pattern for all cases, in the syntax of Python's `re`; by default what the case expects."""
    whole: bool = False
    """Whether it has to match the whole answer, spaces around it aside."""
    flags: tuple[Flag, ...] = ()
    """As Python names them."""
    absent: bool = False
    """1 if it is *not* found; of several, none."""

    def __post_init__(self) -> None:
        if self.pattern is not None:
            self._compiled(self.pattern)

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        answer = output.strip() if self.whole else output
        try:
            for source in [self.pattern] if self.pattern is not None else self.wanted_texts(case):
                match = self._compiled(source).search(answer)
                if match is not None:
                    return Score(float(not self.absent), {"pattern": source, "found": shown(match[0])})
        except InvalidPrompt as invalid:
            raise NoReference(str(invalid)) from None
        except TookTooLong as slow:
            return unscored(str(slow))
        return Score(float(self.absent))

    def _compiled(self, source: str) -> Pattern:
        return pattern_of(rf"\A(?:{source})\Z" if self.whole else source, "pattern", flags=self.flags)
