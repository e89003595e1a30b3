"""A simulated service: who asks when, in which arm, and what each request is worth, costs and takes."""

from dataclasses import dataclass, field
from math import inf

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import beta

from coalmine_analytics.arrays import BoolArray, FloatArray, IntArray
from coalmine_consumers.experiments import UNIT_GROUPS

_Z = np.linspace(-6.0, 6.0, 4_097)
# Mean .82, standard deviation .12, as the scores of a judge.
_QUALITY = np.asarray(beta.ppf(ndtr(_Z), 7.585, 1.665), np.float64)
_COST_SIGMA, _LATENCY_SIGMA = 0.8, 0.5
_COST_NANO_USD, _LATENCY_MS = 2e6, 1_200.0
_OF_USER = 0.3
"""Share of the variance that lies between users."""
_BOT_SHARE = 0.01
"""Of the traffic, by each bot."""
_REFUSALS = 0.005
_INCIDENT_S = 1_200.0
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How the new version differs; equal by default."""

    quality: float = 1.0
    """Factor of the mean, as the others; a share of passing answers likewise."""
    cost: float = 1.0
    latency: float = 1.0
    errors: float = 0.0
    """Added to the rate."""
    refusals: float = 0.0
    """Likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service with a canary; every property that is not given is the tame one."""

    per_s: float = 1.0
    """Requests a second, on average."""
    hours: float = 24.0
    stages: tuple[tuple[float, float], ...] = ((0.1, 2.0), (0.5, inf))
    """Share of the canary, and for how many hours; users stay in their arm while its share grows."""
    loyal: float = 0.5
    """Share of the requests that come from loyal users; the others come from users seen once."""
    loyal_users: int = 10_000
    season: float = 0.0
    """Amplitude by hour of the day: of quality as it is, ten times that of traffic, four times of latency."""
    incidents: int = 0
    """Spans of 20 minutes in which every version errs and is slow."""
    delays_min: tuple[float, float] = (5.0, 5.0)
    """Mean delay of feedback, in control and in the canary."""
    waits: bool = True
    """False: feedback counts as it comes, not at equal age."""
    heavy: float = 0.0
    """Share of the traffic that one user sends."""
    bots: int = 0
    """Each sends 1 % of the traffic, cheap and of low quality."""
    errors: float = 0.01
    passing: float | None = None
    """Share of answers that pass; None: scores between 0 and 1."""
    pooled: bool = False
    """True: sums do not know epochs."""

    def stage_starts(self) -> FloatArray:
        """Seconds from the beginning at which each stage starts that does so before the end."""
        starts = np.cumsum([0.0, *(hours for _, hours in self.stages[:-1])]) * _HOUR_S
        return np.asarray(starts[starts < self.hours * _HOUR_S], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """All requests of a run in order of time, arrays of shape (N,), and of its units, shape (U,)."""

    at_s: FloatArray
    unit: IntArray
    group: IntArray
    """Of the request's unit."""
    stage: IntArray
    treated: BoolArray
    values: dict[str, FloatArray] = field(default_factory=dict)
    """By metric of the cells, as they are counted per request."""


def capped_factor(ratio: float, sigma: float) -> float:
    """The factor of lognormal values that multiplies their mean, capped at the old p99.5, by `ratio`."""
    cap = sigma * ndtri(0.995)

    def mean(shift: float) -> float:
        below = np.exp(shift + sigma**2 / 2) * ndtr((cap - shift) / sigma - sigma)
        return float(below + np.exp(cap) * ndtr((shift - cap) / sigma))

    return float(np.exp(brentq(lambda shift: mean(shift) - ratio * mean(0.0), 0.0, 2.0)))


def dearer(ratio: float) -> Change:
    """A version whose capped mean cost is `ratio` times as high."""
    return Change(cost=capped_factor(ratio, _COST_SIGMA))


def slower(ratio: float) -> Change:
    """A version whose capped mean latency is `ratio` times as high."""
    return Change(latency=capped_factor(ratio, _LATENCY_SIGMA))


def requests_of(service: Service, change: Change, rng: np.random.Generator) -> Requests:
    """Draw one run of a service."""
    at_s = _times(service, rng)
    unit, units = _units(service, len(at_s), rng)
    stage = np.searchsorted(service.stage_starts(), at_s, side="right") - 1
    shares = np.array([share for share, _ in service.stages])
    treated: BoolArray = rng.random(units)[unit] < shares[stage]
    odd = (service.heavy > 0) + service.bots  # these come first
    latent = {}
    for name, of_odd in (("quality", -1.5), ("cost", 1.5), ("latency", 1.5)):
        own = rng.normal(size=units)
        own[:odd] = -of_odd  # a bot's answers are bad, short and quick
        if service.heavy:
            own[0] = of_odd
        if name != "quality" and service.bots:
            own[:odd] = np.minimum(own[:odd], -1.5)
        latent[name] = np.sqrt(_OF_USER) * own[unit] + np.sqrt(1.0 - _OF_USER) * rng.normal(size=len(at_s))
    values = values_of(service, change, at_s, treated, latent=latent, rng=rng)
    return Requests(at_s, unit, rng.integers(UNIT_GROUPS, size=units)[unit], stage, treated, values)


def _times(service: Service, rng: np.random.Generator) -> FloatArray:
    end = service.hours * _HOUR_S
    grid = np.linspace(0.0, end, 1_441)
    intensity = 1.0 + 10.0 * service.season * _of_day(grid)
    done = np.concatenate([[0.0], np.cumsum((intensity[1:] + intensity[:-1]) / 2.0)])
    count = rng.poisson(service.per_s * end * done[-1] / (len(grid) - 1))
    return np.asarray(np.interp(np.sort(rng.random(count)) * done[-1], done, grid), np.float64)


def _of_day(at_s: FloatArray) -> FloatArray:
    """From 1 at the beginning to -1 after twelve hours."""
    return np.asarray(np.cos(2.0 * np.pi * at_s / (24.0 * _HOUR_S)), np.float64)


def _units(service: Service, count: int, rng: np.random.Generator) -> tuple[IntArray, int]:
    """The unit of each request, and how many there are; the odd ones come first."""
    shares = [service.heavy] * (service.heavy > 0) + [_BOT_SHARE] * service.bots
    odd, loyal = len(shares), service.loyal_users
    of_loyal = np.cumsum(rng.gamma(1.0, size=loyal))
    unit = odd + np.searchsorted(of_loyal, rng.random(count) * of_loyal[-1])
    once = rng.random(count) >= service.loyal
    unit[once] = odd + loyal + np.arange(int(once.sum()))
    bounds, drawn = np.cumsum(shares), rng.random(count)
    if odd:
        is_odd = drawn < bounds[-1]
        unit[is_odd] = np.searchsorted(bounds, drawn[is_odd], side="right")
    return unit.astype(np.int64), odd + loyal + int(once.sum())


def values_of(
    service: Service,
    change: Change,
    at_s: FloatArray,
    treated: BoolArray,
    *,
    latent: dict[str, FloatArray],
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """What requests are worth, cost and take, by metric of the cells.

    Args:
        service: The service.
        change: How the treatment differs.
        at_s: Times of the requests.
        treated: Whether each is in the treatment.
        latent: Standard normal values of quality, cost and latency.
        rng: Of errors, refusals and incidents.
    """
    count, level = len(at_s), service.season * _of_day(at_s)
    starts = rng.random(service.incidents) * service.hours * _HOUR_S
    incident = ((at_s[:, None] >= starts) & (at_s[:, None] < starts + _INCIDENT_S)).any(axis=1)

    def changed(factor: float) -> FloatArray:
        return np.where(treated, factor, 1.0)

    better = (1.0 + level) * np.where(incident, 0.9, 1.0) * changed(change.quality)
    if service.passing is None:
        # Divided by what the season may add, for scores end at 1.
        quality = np.interp(latent["quality"], _Z, _QUALITY) * better / (1.0 + service.season)
    else:
        quality = (ndtr(latent["quality"]) < service.passing * better / (1.0 + service.season)).astype(float)
    cost = _COST_NANO_USD * np.exp(_COST_SIGMA * latent["cost"]) * changed(change.cost)
    latency = _LATENCY_MS * np.exp(_LATENCY_SIGMA * latent["latency"]) * changed(change.latency)
    latency *= (1.0 + 4.0 * level) * np.where(incident, 3.0, 1.0)
    errors = service.errors + np.where(incident, 0.2, 0.0) + np.where(treated, change.errors, 0.0)
    refusals = _REFUSALS + np.where(treated, change.refusals, 0.0)
    z = ndtri(np.array([0.95, 0.995]))
    p95, slow = _LATENCY_MS * np.exp(_LATENCY_SIGMA * z)
    dear = _COST_NANO_USD * np.exp(_COST_SIGMA * z[1])
    return {
        "requests": np.ones(count),
        "errors": (rng.random(count) < errors).astype(float),
        "refusals": (rng.random(count) < refusals).astype(float),
        "cost_uncached_nano_usd": cost,
        "cost_uncached_nano_usd.capped": np.minimum(cost, dear),
        "cost_uncached_nano_usd.over_cap": (cost > dear).astype(float),
        "latency_ms": latency,
        "latency_ms.capped": np.minimum(latency, slow),
        "latency_ms.over_cap": (latency > slow).astype(float),
        "latency_ms.over_p95": (latency > p95).astype(float),
        "quality": quality,
    }
