"""BLEU and chrF, by sacrebleu."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final, Literal

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.optional import module_of
from coalmine_evals.scorers.reference import Compares

_LONGEST: Final = 20_000
"""Characters that are compared: n-grams of all of them are counted in Python."""
_METRICS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "bleu": ("BLEU", {"effective_order": True}),
    "chrf": ("CHRF", {}),
    "chrf++": ("CHRF", {"word_order": 2}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BleuChrf(Compares):
    """BLEU or chrF of one answer against the expected text, or several, from 0 to 1.

    A mean of these over cases is not the BLEU of a corpus, which published tables show.
    """

    name: ClassVar[str] = "bleu_chrf@1"
    kind: Literal["bleu", "chrf", "chrf++"] = "chrf"
    """chrF compares characters and suits every language; BLEU compares words."""

    def __post_init__(self) -> None:
        _metric(self.kind)

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        wanted = [text[:_LONGEST] for text in self.wanted_texts(case)]
        found = _metric(self.kind).sentence_score(output[:_LONGEST], wanted)
        return Score(min(1.0, found.score / 100))


@cache
def _metric(kind: str) -> Any:  # noqa: ANN401 - the library has no types
    name, settings = _METRICS[kind]
    return getattr(module_of("sacrebleu.metrics", "coalmine[bleu]", "bleu_chrf"), name)(**settings)
