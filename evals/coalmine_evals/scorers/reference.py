"""What a right answer is: from the case, or from the settings for all cases alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.texts import capped
from coalmine_schemas.prompts.json_values import JsonValue, canonical_json

_SHOWN: Final = 300


class NoReference(Exception):
    """The case does not say what a right answer is, in a form that the scorer reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compares:
    """A scorer that compares answers with something expected, and its settings."""

    expected: Any = None
    """What is expected in all cases; by default each case's own `expected`."""
    field: str | None = None
    """Which part of each case's `expected` to read, with dots: `facts` or `answer.total`; by default all."""

    async def score(self, case: Case, output: str) -> Score:
        """Scores one answer; without a score where the case does not say what is expected."""
        try:
            return self.judge(case, capped(output))
        except NoReference as missing:
            return unscored(str(missing))

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer, already capped.

        Raises:
            NoReference: The case does not say what is expected.
        """
        raise NotImplementedError

    def wanted(self, case: Case) -> JsonValue:
        """What is expected of this case.

        Raises:
            NoReference: It does not say.
        """
        value: JsonValue = case.expected if self.expected is None else self.expected
        for part in self.field.split(".") if self.field and self.expected is None else ():
            if not isinstance(value, Mapping) or part not in value:
                raise NoReference(f"the case's expected has no {self.field}")
            value = value[part]
        if value is None:
            raise NoReference(
                "the case does not say what is expected: give it `expected`, from another column by --map"
            )
        return value

    def wanted_texts(self, case: Case) -> list[str]:
        """What is expected, as texts of which there is at least one and none is empty.

        Raises:
            NoReference: It does not say.
        """
        value = self.wanted(case)
        found = [as_text(each) for each in items_of(value)]
        if not found or not all(each.strip() for each in found):
            raise NoReference("what is expected is empty")
        return found


def items_of(value: JsonValue) -> Sequence[JsonValue]:
    """The items of a JSON array; of anything else itself alone."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def as_text(value: JsonValue) -> str:
    """A text as it is; numbers, true, false and objects as JSON writes them."""
    return value if isinstance(value, str) else canonical_json(value).decode()


def unscored(why: str) -> Score:
    """No score, and why."""
    return Score(None, {"unscored": why})


def shown(text: str) -> str:
    """The beginning of a text, for details; without halves of surrogate pairs, which nothing could store."""
    begin = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return begin.encode("utf-8", "replace").decode()
