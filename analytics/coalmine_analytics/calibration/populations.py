"""Distributions of a metric's values, as hard as those of production: rare, skewed, mostly zero."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from coalmine_analytics.arrays import FloatArray

Shape: TypeAlias = tuple[int, ...]
Rng: TypeAlias = np.random.Generator


@dataclass(frozen=True, slots=True)
class Population:
    """Values of one arm, with a mean and a standard deviation that are known exactly."""

    name: str
    """Name in the table of results."""
    mean: float
    sd: float
    draw: Callable[[Rng, Shape], FloatArray]
    """Draws independent values. A partial of a module's function, which other processes can unpickle."""


def bernoulli(p: float) -> Population:
    """An event with chance `p`: an error, a thumb up."""
    return Population(f"rate {p:g}", p, math.sqrt(p * (1.0 - p)), partial(_bernoulli, p))


def _bernoulli(p: float, rng: Rng, shape: Shape) -> FloatArray:
    return (rng.random(shape) < p).astype(np.float64)


def beta(a: float, b: float) -> Population:
    """A score between 0 and 1: quality."""
    mean = a / (a + b)
    sd = math.sqrt(mean * (1.0 - mean) / (a + b + 1.0))
    return Population(f"score beta({a:g}, {b:g})", mean, sd, partial(_beta, a, b))


def _beta(a: float, b: float, rng: Rng, shape: Shape) -> FloatArray:
    return rng.beta(a, b, shape)


def lognormal(sigma: float, mean: float = 1.0) -> Population:
    """Money and time: with `sigma` 1.5 and 2 the skewness is 33 and 414."""
    sd = mean * math.sqrt(math.expm1(sigma * sigma))
    return Population(f"lognormal {sigma:g}", mean, sd, partial(_lognormal, sigma, mean))


def _lognormal(sigma: float, mean: float, rng: Rng, shape: Shape) -> FloatArray:
    natural = math.exp(sigma * sigma / 2.0)
    return np.asarray(mean / natural * np.exp(sigma * rng.standard_normal(shape)))


def capped_cost(sigma: float, sigma_of_the_cap: float, mean: float | None = None) -> Population:
    """Cost as an experiment counts it: lognormal, capped at the 99.5th percentile of values with mean 1.

    Args:
        sigma: Of this arm's values.
        sigma_of_the_cap: Of the values the cap was taken from, before the experiment.
        mean: Of the values once capped; None: before they are capped it is 1.
    """
    cap = math.exp(sigma_of_the_cap * float(ndtri(0.995)) - sigma_of_the_cap**2 / 2.0)
    before = 1.0
    if mean is not None:
        before = brentq(lambda at: _capped_moment(1, sigma, at, cap) - mean, mean / 10.0, mean * 10.0)
    first, second = (_capped_moment(order, sigma, before, cap) for order in (1, 2))
    draw = partial(_capped, sigma, before, cap)
    return Population(f"capped lognormal {sigma:g}", first, math.sqrt(second - first**2), draw)


def _capped(sigma: float, mean: float, cap: float, rng: Rng, shape: Shape) -> FloatArray:
    return np.minimum(_lognormal(sigma, mean, rng, shape), cap)


def _capped_moment(order: int, sigma: float, mean: float, cap: float) -> float:
    """E min(X, cap)^order of a lognormal X."""
    at = (math.log(cap / mean) + sigma * sigma / 2.0) / sigma
    whole = mean**order * math.exp(order * (order - 1) * sigma * sigma / 2.0)
    return float(whole * ndtr(at - order * sigma) + cap**order * ndtr(-at))


def zero_inflated(share: float, sigma: float) -> Population:
    """A lognormal value of mean 1 with chance `share`, else 0: the cost of a tool that is seldom called."""
    sd = math.sqrt(share * math.exp(sigma * sigma) - share * share)
    return Population(f"zero-inflated {share:g}", share, sd, partial(_zero_inflated, share, sigma))


def _zero_inflated(share: float, sigma: float, rng: Rng, shape: Shape) -> FloatArray:
    values = _lognormal(sigma, 1.0, rng, shape)
    return np.where(rng.random(shape) < share, values, 0.0)


def normal(mean: float, sd: float) -> Population:
    """The textbook case."""
    return Population("normal", mean, sd, partial(_normal, mean, sd))


def _normal(mean: float, sd: float, rng: Rng, shape: Shape) -> FloatArray:
    return rng.normal(mean, sd, shape)


def shifted(base: Population, by: float) -> Population:
    """The same shape, its mean moved."""
    return Population(f"{base.name} {by:+g}", base.mean + by, base.sd, partial(_shifted, base, by))


def _shifted(base: Population, by: float, rng: Rng, shape: Shape) -> FloatArray:
    return base.draw(rng, shape) + by
