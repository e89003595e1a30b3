"""Scorers as other packages write them."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case


@dataclass(frozen=True)
class Shouting:
    """The share of exclamation marks that it takes."""

    name: ClassVar[str] = "shouting@3"
    least: int = 1

    async def score(self, case: Case, output: str) -> Score:
        if output == "fail":
            raise ValueError("not this one")
        return Score(min(1.0, output.count("!") / self.least))


class Counting:
    name = "counting@1"

    def __init__(self, most: int) -> None:
        self.most = most

    def score(self, case: Case, output: str) -> float:
        return len(output.split()) / self.most


def counting(most: int = 10) -> Counting:
    return Counting(most)


class Vague:
    name = "vague@1"

    def score(self, case: Case, output: str) -> None:
        return None


class Outside:
    name = "outside@1"

    def score(self, case: Case, output: str) -> float:
        return 1.5


class Slow:
    name = "slow@1"

    async def score(self, case: Case, output: str) -> bool:
        await asyncio.Event().wait()
        return True


def broken() -> float:
    return 1 / 0
