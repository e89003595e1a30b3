"""The engine: how long a scorer may take."""

import asyncio
from dataclasses import dataclass

from coalmine_evals.records import Output, Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.runs.engine import Work, answered
from coalmine_evals.runs.sides import SideIdentity
from tests.evals.judges.fake import case


class Side:
    """Answers at once."""

    identity = SideIdentity("p", "1.0.0", "d", "fake", "m")

    def request(self, case: Case) -> None:
        """See `RunSide`."""

    async def answer(self, case: Case, repeat: int) -> Output:
        """See `RunSide`."""
        return Output("text")


@dataclass
class Slow:
    """Waits before it scores."""

    models: object = None
    name: str = "slow@1"

    async def score(self, case: Case, output: str) -> Score:
        """See `Scorer`."""
        await asyncio.sleep(0.2)
        return Score(1.0)


def test_only_scorers_that_wait_for_no_model_have_a_time_limit() -> None:
    work = Work([case()], 1, {"candidate": Side()}, {"plain": Slow(), "judge": Slow(models=object())})
    found = asyncio.run(answered(work, (0, "candidate", 0), time_limit_s=0.01))
    assert {name: each.value for name, each in found.scores.items()} == {"plain": None, "judge": 1.0}
    assert found.scores["plain"].details == {"unscored": "slow@1 gave no score within 0.01 s"}
