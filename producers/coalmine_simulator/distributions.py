"""The positive, skewed quantities of a service: lognormal and exponential, named by what people know.

Both are given in the terms one reads off a dashboard (median, mean) and not by the parameters of
the underlying normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from coalmine_simulator.errors import InvalidConfig

if TYPE_CHECKING:
    import random

__all__ = ["Exponential", "Lognormal", "logistic"]

_STANDARD_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A lognormal quantity: `median * exp(sigma * z)` with z standard normal."""

    median: float
    """Half of all draws lie below it; in the quantity's own unit, > 0."""
    sigma: float
    """Standard deviation of the logarithm, >= 0. 0.5 puts the 95 % quantile at 2.3 medians."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.median) and self.median > 0):
            raise InvalidConfig("median", self.median, "a finite number above 0")
        if not (math.isfinite(self.sigma) and self.sigma >= 0):
            raise InvalidConfig("sigma", self.sigma, "a finite number of at least 0")

    def at(self, z: float) -> float:
        """The draw that belongs to the standard normal draw `z`."""
        return self.median * math.exp(self.sigma * z)

    def sample(self, rng: random.Random) -> float:
        """One draw."""
        return self.at(rng.gauss(0.0, 1.0))

    def mean(self) -> float:
        """The expected value, which lies above the median."""
        return self.median * math.exp(self.sigma**2 / 2)

    def quantile(self, q: float) -> float:
        """The value below which a share `q` of all draws lies, 0 < q < 1."""
        return self.at(_STANDARD_NORMAL.inv_cdf(q))


@dataclass(frozen=True, slots=True)
class Exponential:
    """A waiting time without memory."""

    mean: float
    """Expected value, in the quantity's own unit, > 0."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and self.mean > 0):
            raise InvalidConfig("mean", self.mean, "a finite number above 0")

    def sample(self, rng: random.Random) -> float:
        """One draw."""
        return rng.expovariate(1.0 / self.mean)


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow for any finite x."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(x)
    return grown / (1.0 + grown)
