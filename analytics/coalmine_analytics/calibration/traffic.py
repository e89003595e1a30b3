"""Simulated traffic: block by block the cumulative sums an experiment would have at each look.

A block is some replications of one experiment at once, so that each step is one array operation.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from coalmine_analytics.arrays import BoolArray, ByteArray, FloatArray, IntArray
from coalmine_analytics.calibration.populations import Population

GROUPS = 256
"""Hash groups of units, as in the experiment cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Cumulative sums at one look of B replications; control before treatment on the arms' axis.

    The arrays are updated in place: copy one to keep it.
    """

    look: int
    epoch: int
    """Allocation epoch of the look, from 0; the sums are of that epoch alone."""
    y: FloatArray
    """Numerators, shape (B, 2, 256)."""
    x: FloatArray
    """Denominators, shape (B, 2, 256)."""
    units: IntArray
    """Units with a request, shape (B, 2)."""
    squares: FloatArray
    """Sums of squared values of single requests, shape (B, 2): what ignores units needs them."""


class Traffic(Protocol):
    """Arrival of requests."""

    @property
    def per_look(self) -> int:
        """Requests between looks, both arms."""

    @property
    def looks(self) -> int:
        """Looks."""

    def play(self, rng: np.random.Generator, replications: int) -> Iterator[Sums]:
        """The sums at each look, in order."""


class Tally:
    """Sums of requests."""

    def __init__(self, replications: int) -> None:
        shape = (replications, 2, GROUPS)
        self.y, self.x = np.zeros(shape), np.zeros(shape)
        self.squares = np.zeros(shape[:2])
        self._arms = np.arange(replications)[:, None] * 2

    def add(self, value: FloatArray, treated: BoolArray, group: npt.NDArray[np.integer]) -> None:
        """Requests of shape (B, n): their values, arms and groups."""
        arm = self._arms + treated
        cell = (arm * GROUPS + group).ravel()
        flat = value.ravel()
        size = self.y.size
        self.y += np.bincount(cell, flat, size).reshape(self.y.shape)
        self.x += np.bincount(cell, minlength=size).reshape(self.x.shape)
        arms = self.squares.size
        self.squares += np.bincount(arm.ravel(), flat * flat, arms).reshape(self.squares.shape)

    def sums(self, look: int, epoch: int, units: IntArray) -> Sums:
        """The sums so far."""
        return Sums(look, epoch, self.y, self.x, units, self.squares)


@dataclass(frozen=True, slots=True)
class Single:
    """Each unit makes one request, or several with one value; an arm is drawn for each."""

    control: Population
    treatment: Population
    share: float
    """Of treatment."""
    per_look: int
    looks: int
    per_unit: int = 1

    def play(self, rng: np.random.Generator, replications: int) -> Iterator[Sums]:
        """The sums at each look, in order."""
        tally = Tally(replications)
        shape = (replications, self.per_look // self.per_unit)
        for look in range(self.looks):
            treated = rng.random(shape) < self.share
            value = self.control.draw(rng, shape)
            if self.treatment is not self.control:
                value = np.where(treated, self.treatment.draw(rng, shape), value)
            group = rng.integers(0, GROUPS, shape, dtype=np.uint8)
            for _ in range(self.per_unit):
                tally.add(value, treated, group)
            yield tally.sums(look, 0, tally.x.sum(axis=2).astype(np.int64) // self.per_unit)


@dataclass(frozen=True, slots=True)
class Ramp:
    """The share of treatment rises by stages while the rate of both arms drifts: each unit one request."""

    shares: tuple[float, ...]
    first_rate: float
    last_rate: float
    per_look: int
    looks: int

    def play(self, rng: np.random.Generator, replications: int) -> Iterator[Sums]:
        """The sums of the current epoch at each look, in order."""
        shape = (replications, self.per_look)

        def draw(look: int, epoch: int) -> tuple[FloatArray, BoolArray]:
            rate = self.first_rate + (self.last_rate - self.first_rate) * look / self.looks
            treated = rng.random(shape) < self.shares[epoch]
            return (rng.random(shape) < rate).astype(np.float64), treated

        yield from _by_epoch(rng, shape, self.looks, len(self.shares), draw)


@dataclass(frozen=True, slots=True)
class Stages:
    """Each unit makes one request; what the treatment does changes from epoch to epoch."""

    control: Population
    treatments: tuple[Population, ...]
    """By epoch; all last equally long."""
    share: float
    """Of treatment."""
    per_look: int
    looks: int

    def play(self, rng: np.random.Generator, replications: int) -> Iterator[Sums]:
        """The sums of the current epoch at each look, in order."""
        shape = (replications, self.per_look)

        def draw(_look: int, epoch: int) -> tuple[FloatArray, BoolArray]:
            treated = rng.random(shape) < self.share
            value = self.control.draw(rng, shape)
            if self.treatments[epoch] is not self.control:
                value = np.where(treated, self.treatments[epoch].draw(rng, shape), value)
            return value, treated

        yield from _by_epoch(rng, shape, self.looks, len(self.treatments), draw)


def _by_epoch(
    rng: np.random.Generator,
    shape: tuple[int, int],
    looks: int,
    epochs: int,
    draw: Callable[[int, int], tuple[FloatArray, BoolArray]],
) -> Iterator[Sums]:
    """The sums of the current epoch at each look, of units that make one request each.

    Args:
        rng: Of units' groups.
        shape: Replications, and units of a look.
        looks: How many.
        epochs: All last equally long.
        draw: Values of a look and an epoch, and whether each is of the treatment.
    """
    tally, before = Tally(shape[0]), 0
    for look in range(looks):
        epoch = look * epochs // looks
        if epoch != before:
            tally, before = Tally(shape[0]), epoch
        value, treated = draw(look, epoch)
        tally.add(value, treated, rng.integers(0, GROUPS, shape, dtype=np.uint8))
        yield tally.sums(look, epoch, tally.x.sum(axis=2).astype(np.int64))


@dataclass(frozen=True, slots=True)
class HeavyUnit:
    """Each unit makes one request, but for one that makes a share of all, at a level of its own."""

    share: float
    """Of treatment."""
    of_one: float
    """Share of the requests that one unit makes, in whichever arm it is."""
    per_look: int
    looks: int
    sd: float = 0.1
    """Of units around 0.8, and of values around a unit's own level."""

    def play(self, rng: np.random.Generator, replications: int) -> Iterator[Sums]:
        """The sums at each look, in order."""
        tally = Tally(replications)
        heavy = round(self.of_one * self.per_look)
        of_one = (replications, heavy)
        treated_one = rng.random(replications) < self.share
        level = np.broadcast_to(rng.normal(0.8, self.sd, replications)[:, None], of_one)
        arm = np.broadcast_to(treated_one[:, None], of_one)
        place = np.broadcast_to(rng.integers(0, GROUPS, replications)[:, None], of_one)
        shape = (replications, self.per_look - heavy)
        units = np.stack([~treated_one, treated_one], axis=1).astype(np.int64)
        for look in range(self.looks):
            tally.add(level + self.sd * rng.standard_normal(of_one), arm, place)
            treated = rng.random(shape) < self.share
            value = 0.8 + math.sqrt(2.0) * self.sd * rng.standard_normal(shape)
            tally.add(value, treated, rng.integers(0, GROUPS, shape, dtype=np.uint8))
            units = units + np.stack([(~treated).sum(axis=1), treated.sum(axis=1)], axis=1)
            yield tally.sums(look, 0, units)


@dataclass(frozen=True, slots=True)
class Returning:
    """Users return, some far more often than others, stay in their arm, and leave in the end.

    A pool of active users has lognormal activities. At each look some leave and others, with a mean, a group
    and an arm of their own, take their places. Values of one user share that user's mean: the correlation of
    two requests of a user is `icc`.
    """

    kind: str
    """`rate` for beta-binomial users around a chance of .3, `quality` for normal ones around .8."""
    shares: tuple[float, ...]
    """Of treatment, by stage; raising it moves users to treatment, never back."""
    per_look: int
    looks: int
    icc: float = 0.3
    active: int = 3_000
    leaving: int = 30
    """Users who leave at each look."""
    activity_sigma: float = 1.0
    drift: float = 0.0
    """Added to every mean from the first look to the last."""
    effect: float = 0.0
    """Added to the treatment's values (`quality` only)."""
    _activity: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out how active each place in the pool is: the same for all replications."""
        at = (np.arange(self.active) + 0.5) / self.active
        weight = np.exp(self.activity_sigma * ndtri(at))
        object.__setattr__(self, "_activity", np.cumsum(weight) / weight.sum())

    def play(self, rng: np.random.Generator, replications: int) -> Iterator[Sums]:
        """The sums of the current epoch at each look, in order."""
        pool = _Pool(self, rng, replications)
        tally, before = Tally(replications), 0
        for look in range(self.looks):
            epoch = look * len(self.shares) // self.looks
            if epoch != before:
                tally, before = Tally(replications), epoch
                pool.forget()
            share = self.shares[epoch]
            place = self._places(rng, (replications, self.per_look))
            mean, group, treated = pool.ask(place, share)
            mean = mean + self.drift * look / self.looks
            if self.kind == "rate":
                value = (rng.random(mean.shape) < mean).astype(np.float64)
            else:
                value = mean + math.sqrt(1.0 - self.icc) * QUALITY_SD * rng.standard_normal(mean.shape)
                value += self.effect * treated
            tally.add(value, treated, group)
            yield tally.sums(look, epoch, pool.units())
            pool.replace(self.leaving, share)

    def _places(self, rng: np.random.Generator, shape: tuple[int, ...]) -> IntArray:
        """Who makes the requests, each by its activity."""
        return np.searchsorted(self._activity, rng.random(shape)).astype(np.int64)


QUALITY_SD = 0.1
"""Of single `quality` values."""


class _Pool:
    """Users that are active now, B replications of them."""

    def __init__(self, traffic: Returning, rng: np.random.Generator, replications: int) -> None:
        self._traffic, self._rng = traffic, rng
        shape = (replications, traffic.active)
        self._mean, self._group, self._split = self._users(shape)
        self._seen = np.zeros(shape, np.bool_)
        self._gone = np.zeros((replications, 2), np.int64)
        self._share = traffic.shares[0]
        self._rows = np.arange(replications)[:, None]

    def _users(self, shape: tuple[int, ...]) -> tuple[FloatArray, ByteArray, FloatArray]:
        icc = self._traffic.icc
        if self._traffic.kind == "rate":
            about = (1.0 - icc) / icc
            mean = self._rng.beta(0.3 * about, 0.7 * about, shape)
        else:
            mean = 0.8 + math.sqrt(icc) * QUALITY_SD * self._rng.standard_normal(shape)
        return mean, self._rng.integers(0, GROUPS, shape, dtype=np.uint8), self._rng.random(shape)

    def ask(self, place: IntArray, share: float) -> tuple[FloatArray, ByteArray, BoolArray]:
        """Means, groups and arms of the users at those places, who have then been seen."""
        self._share = share
        self._seen[self._rows, place] = True
        rows = self._rows
        return self._mean[rows, place], self._group[rows, place], self._split[rows, place] < share

    def units(self) -> IntArray:
        """Users seen since the epoch began, by arm."""
        treated = (self._seen & (self._split < self._share)).sum(axis=1)
        now = np.stack([self._seen.sum(axis=1) - treated, treated], axis=1)
        return np.asarray(self._gone + now)

    def replace(self, leaving: int, share: float) -> None:
        """Replace the users who leave by new ones."""
        places = self._rng.choice(self._traffic.active, leaving, replace=False)
        seen, treated = self._seen[:, places], self._split[:, places] < share
        self._gone[:, 1] += (seen & treated).sum(axis=1)
        self._gone[:, 0] += (seen & ~treated).sum(axis=1)
        shape = (self._seen.shape[0], leaving)
        self._mean[:, places], self._group[:, places], self._split[:, places] = self._users(shape)
        self._seen[:, places] = False

    def forget(self) -> None:
        """Restart the count of units."""
        self._seen[:] = False
        self._gone[:] = 0
