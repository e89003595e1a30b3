"""One answer with its scores, as a run keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from coalmine_evals.records import Output, Score

SideName = Literal["candidate", "baseline"]


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One answer with its scores."""

    place: int
    """Of the case in the run, from 0."""
    case: str
    side: SideName
    repeat: int
    output: Output
    scores: Mapping[str, Score]
    """By metric."""

    @property
    def unit(self) -> tuple[int, SideName, int]:
        """Which answer it is."""
        return self.place, self.side, self.repeat

    def values(self) -> dict[str, Any]:
        """The answer as its table holds it, without the run."""
        return {
            "place": self.place,
            "case": self.case,
            "side": self.side,
            "repeat": self.repeat,
            "output": _outputs().dump_python(self.output, mode="json"),
            "scores": {name: score.value for name, score in self.scores.items()},
            "details": {name: dict(score.details) for name, score in self.scores.items() if score.details},
            "scoring_nano_usd": sum(score.cost_nano_usd for score in self.scores.values()),
        }


def kept_answer(row: Any) -> KeptAnswer:  # noqa: ANN401 - a row of its table
    """Returns a stored answer."""
    costs = row.scoring_nano_usd
    scores = {}
    for name, value in row.scores.items():
        # One sum is kept for all metrics: it stands with the first.
        scores[name] = Score(value, row.details.get(name, {}), costs)
        costs = 0
    return KeptAnswer(
        row.place, row.case, row.side, row.repeat, _outputs().validate_python(row.output), scores
    )


@cache
def _outputs() -> TypeAdapter[Output]:
    return TypeAdapter(Output)
