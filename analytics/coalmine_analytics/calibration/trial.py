"""Trials of the grid, and the rows of its table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from coalmine_analytics.arrays import FloatArray

Role = Literal["ours", "control", "beyond"]
"""Ours must keep its limit, a negative control must break it, and `beyond` is outside what is promised."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one method in one cell."""

    cell: str
    method: str
    rate: float
    """Share of replications, or the ratio or number the method's name says."""
    replications: int
    limit: float
    """Ours: the most the rate may be. A control: what it must reach to be seen to fail."""
    role: Role = "ours"
    at_least: float = 0.0
    """Ours: the least it may be, where less would mean that nothing was tried."""
    upper_bound: float | None = None
    """Upper end of the one-sided 95 % interval of the rate, where it is stated."""

    @property
    def passes(self) -> bool:
        """True if the method keeps within the limit; if a negative control does, the grid has failed."""
        if self.role == "control":
            return self.rate < self.limit
        return self.at_least <= self.rate <= self.limit

    @property
    def as_it_must(self) -> bool:
        """True if the row is as required."""
        match self.role:
            case "ours":
                return self.passes
            case "control":
                return not self.passes
            case "beyond":
                return True


Outcome = Mapping[str, FloatArray]
"""By name, a value of each replication on the first axis."""


class Trial(Protocol):
    """One cell of the grid: its simulation and its requirements."""

    @property
    def cell(self) -> str:
        """Its unique name."""

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """Simulate one block of replications."""

    def judge(self, outcome: Outcome) -> list[Row]:
        """Return the rows, from all blocks together."""
