"""Is the answer what was expected, and nothing else?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.json_text import NotJson, json_of, same_json
from coalmine_evals.scorers.reference import Compares, shown
from coalmine_evals.scorers.texts import plain, words
from coalmine_schemas.prompts.json_values import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact(Compares):
    """1 if the answer is the expected text, or one of several; an expected object is compared as JSON.

    Within it `1.0` is `1`, and `true` is not.
    """

    name: ClassVar[str] = "exact@1"
    ignore_case: bool = False
    """Whether `Yes` is `yes`; then runs of spaces are one space, too."""
    ignore_punctuation: bool = False
    """Compares words only, so that `yes.` is `Yes`."""

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        wanted = self.wanted(case)
        if isinstance(wanted, Mapping):
            return self._judge_json(wanted, output)
        for text in self.wanted_texts(case):
            if self._form(text) == self._form(output):
                return Score(1.0, {"found": shown(text)})
        return Score(0.0, {"expected": shown(self.wanted_texts(case)[0]), "answer": shown(output.strip())})

    def _judge_json(self, wanted: Mapping[str, JsonValue], output: str) -> Score:
        try:
            answer = json_of(output)
        except NotJson as not_json:
            return Score(0.0, {"why": str(not_json)})
        same = same_json(answer, wanted)
        return Score(float(same), {} if same else {"why": "it is another JSON value"})

    def _form(self, text: str) -> str:
        if self.ignore_punctuation:
            return " ".join(words(text))
        return plain(text) if self.ignore_case else text.strip()
