"""Distributions of a metric's values, as hard as those of production: rare, skewed, mostly zero."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from coalmine_analytics.arrays import FloatArray

Shape = tuple[int, ...]


class Population(Protocol):
    """Values of one arm, with a mean and a standard deviation that are known exactly."""

    @property
    def name(self) -> str:
        """As in the table."""

    @property
    def mean(self) -> float:
        """Of a value."""

    @property
    def sd(self) -> float:
        """Of a value."""

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Independent values."""


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """An event with chance `p`: an error, a thumb up."""

    p: float

    @property
    def name(self) -> str:
        """As in the table."""
        return f"rate {self.p:g}"

    @property
    def mean(self) -> float:
        """The chance."""
        return self.p

    @property
    def sd(self) -> float:
        """Of one event."""
        return math.sqrt(self.p * (1.0 - self.p))

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Ones and zeros."""
        return (rng.random(shape) < self.p).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Beta:
    """A score between 0 and 1: quality."""

    a: float
    b: float

    @property
    def name(self) -> str:
        """As in the table."""
        return f"score beta({self.a:g}, {self.b:g})"

    @property
    def mean(self) -> float:
        """Of a score."""
        return self.a / (self.a + self.b)

    @property
    def sd(self) -> float:
        """Of a score."""
        return math.sqrt(self.mean * (1.0 - self.mean) / (self.a + self.b + 1.0))

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Scores."""
        return rng.beta(self.a, self.b, shape)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Money and time: with `sigma` 1.5 and 2 the skewness is 33 and 414."""

    sigma: float
    mean: float = 1.0

    @property
    def name(self) -> str:
        """As in the table."""
        return f"lognormal {self.sigma:g}"

    @property
    def sd(self) -> float:
        """Of a value."""
        return self.mean * math.sqrt(math.expm1(self.sigma * self.sigma))

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Positive values."""
        natural = math.exp(self.sigma * self.sigma / 2.0)
        return np.asarray(self.mean / natural * np.exp(self.sigma * rng.standard_normal(shape)))


@dataclass(frozen=True, slots=True)
class Capped:
    """A lognormal value, at most `cap`: cost as an experiment counts it."""

    base: Lognormal
    cap: float

    @property
    def name(self) -> str:
        """As in the table."""
        return f"capped {self.base.name}"

    @property
    def mean(self) -> float:
        """Of a value once capped: E min(X, cap)."""
        return self._moment(1)

    @property
    def sd(self) -> float:
        """Of a value once capped."""
        return math.sqrt(self._moment(2) - self._moment(1) ** 2)

    def _moment(self, order: int) -> float:
        sigma = self.base.sigma
        at = (math.log(self.cap / self.base.mean) + sigma * sigma / 2.0) / sigma
        whole = self.base.mean**order * math.exp(order * (order - 1) * sigma * sigma / 2.0)
        return float(whole * ndtr(at - order * sigma) + self.cap**order * ndtr(-at))

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Positive values up to the cap."""
        return np.minimum(self.base.draw(rng, shape), self.cap)


def capped_cost(sigma: float, sigma_of_the_cap: float, mean: float | None = None) -> Capped:
    """Cost capped at the 99.5th percentile of a lognormal value with mean 1 and `sigma_of_the_cap`.

    Args:
        sigma: Of this arm's values.
        sigma_of_the_cap: Of the values the cap was taken from, before the experiment.
        mean: Of the values once capped; None: before they are capped it is 1.
    """
    cap = math.exp(sigma_of_the_cap * float(ndtri(0.995)) - sigma_of_the_cap**2 / 2.0)
    if mean is None:
        return Capped(Lognormal(sigma), cap)
    before = brentq(lambda at: Capped(Lognormal(sigma, at), cap).mean - mean, mean / 10.0, mean * 10.0)
    return Capped(Lognormal(sigma, before), cap)


@dataclass(frozen=True, slots=True)
class ZeroInflated:
    """A lognormal value of mean 1 with chance `share`, else 0: the cost of a tool that is seldom called."""

    share: float
    sigma: float

    @property
    def name(self) -> str:
        """As in the table."""
        return f"zero-inflated {self.share:g}"

    @property
    def mean(self) -> float:
        """Of a value, zeros included."""
        return self.share

    @property
    def sd(self) -> float:
        """Of a value, zeros included."""
        return math.sqrt(self.share * math.exp(self.sigma * self.sigma) - self.share * self.share)

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Zeros and positive values."""
        values = Lognormal(self.sigma).draw(rng, shape)
        return np.where(rng.random(shape) < self.share, values, 0.0)


@dataclass(frozen=True, slots=True)
class Normal:
    """The textbook's."""

    mean: float
    sd: float

    @property
    def name(self) -> str:
        """As in the table."""
        return "normal"

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """Values on either side."""
        return rng.normal(self.mean, self.sd, shape)


@dataclass(frozen=True, slots=True)
class Shifted:
    """The same shape, its mean moved."""

    base: Population
    by: float

    @property
    def name(self) -> str:
        """As in the table."""
        return f"{self.base.name} {self.by:+g}"

    @property
    def mean(self) -> float:
        """The other's, moved."""
        return self.base.mean + self.by

    @property
    def sd(self) -> float:
        """The other's."""
        return self.base.sd

    def draw(self, rng: np.random.Generator, shape: Shape) -> FloatArray:
        """The other's values, moved."""
        return self.base.draw(rng, shape) + self.by
