"""How many of the facts that matter does the answer hold?"""

from dataclasses import dataclass
from typing import ClassVar

import regex

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.reference import Compares, NoReference, as_text, items_of
from coalmine_evals.scorers.texts import words

_THOUSANDS = regex.compile(r"(?<=\d),(?=\d{3}(?!\d))")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts(Compares):
    """The share of the expected facts whose words the answer holds, side by side and in their order.

    `expected` is a list of facts; a fact that can be said in several ways is a list of them itself. Case and
    punctuation do not matter, and `18` is not found in `180`. That a fact is denied is not noticed.
    """

    name: ClassVar[str] = "key_facts@1"
    need: float | None = None
    """The share that is enough: from it on the score is 1, below it 0; by default the share is the score."""

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        facts = [[as_text(way) for way in items_of(fact)] for fact in items_of(self.wanted(case))]
        if not facts or not all(all(joined(way).strip() for way in fact) and fact for fact in facts):
            raise NoReference("the case expects no facts, or an empty one")
        answer = joined(output)
        missing = [fact[0] for fact in facts if not any(joined(way) in answer for way in fact)]
        share = 1 - len(missing) / len(facts)
        value = share if self.need is None else float(share >= self.need)
        return Score(value, {"facts": len(facts), "missing": missing})


def joined(text: str) -> str:
    """Its words between spaces, so that one text's words are looked up in another's as a text."""
    return f" {' '.join(words(_THOUSANDS.sub('', text)))} "
