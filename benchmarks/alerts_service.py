"""A simulated prompt for the benchmark of alerts: seasons, growth, users, and what may change."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.special import ndtr
from scipy.stats import beta

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.calibration.end_to_end.service import Requests
from coalmine_schemas.batch import arrow_schema
from tests.support.data.service_requests import request_rows
from tests.support.data.store_feed import ids_of_times

REQUEST_MODEL, FIRST_MODEL = "gpt-4o", "gpt-4o-2024-08-06"
_Z: Final = np.linspace(-6.0, 6.0, 4_097)
_QUALITY: Final = np.asarray(beta.ppf(ndtr(_Z), 7.585, 1.665), np.float64)
"""Scores of a judge: mean .82, standard deviation .12."""
_OF_USER: Final = 0.3
"""Share of the variance that lies between users."""
_LOYAL: Final = 1_000
"""Users who send half of the requests; the others come once."""
_TRAFFIC_DAILY, _TRAFFIC_WEEKEND, _GROWTH_PER_DAY = 0.6, 0.5, 1.005
_DAILY, _WEEKLY = 0.03, 0.03
"""By how much quality moves over the day, and falls on weekends; latency moves more."""
_WANDER, _MEMORY = 0.01, 0.5
"""What moves the level from hour to hour beyond chance, and how much of it stays in the next."""
_ERRORS, _REFUSALS = 0.01, 0.005
_RATED, _DOWN = 0.12, 0.1
"""Share of the answers that are rated, and of those the share that is rated down."""
_COST_NANO_USD, _LATENCY_MS = 1e8, 1_200.0
_HOUR_S: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is different from a moment on; factors of what it was."""

    quality: float = 1.0
    cost: float = 1.0
    latency: float = 1.0
    errors: float = 1.0
    down: float = 1.0
    """Of the share of ratings that are bad."""
    version: str | None = None
    """Another version is served to everybody."""
    model: str | None = None
    """Another model answers."""
    silent: bool = False
    """No event comes."""


class Prompt:
    """Who asks for one prompt, and what comes back; it can be pickled, and goes on from there."""

    def __init__(self, name: str, per_day: float, began: datetime, rng: np.random.Generator) -> None:
        self.name, self.version, self.model = name, "1.0.0", FIRST_MODEL
        self.spent_usd: list[tuple[datetime, float]] = []
        """Of each stretch, with its end."""
        self._per_day, self._began, self._rng = per_day, began, rng
        self._activity = np.cumsum(rng.gamma(1.0, size=_LOYAL))
        self._own = rng.normal(size=(3, _LOYAL))
        self._next = _LOYAL
        self._level = 0.0
        self._level_of = began - timedelta(hours=1)

    def rows(self, begin: datetime, until: datetime, change: Change) -> tuple[pa.Table, pa.Table] | None:
        """Requests and feedback of a while, at most of a day; None if there is none."""
        rng = self._rng
        at_s = self._times(begin, until)
        if change.silent or not len(at_s):
            return None
        count = len(at_s)
        unit = np.searchsorted(self._activity, rng.random(count) * self._activity[-1]).astype(np.int64)
        once = rng.random(count) < 0.5
        unit[once] = self._next + np.arange(int(once.sum()))
        self._next += int(once.sum())
        values = self._values(begin, at_s, unit, change)
        zeros = np.zeros(count, np.int64)
        requests = request_rows(
            Requests(at_s, unit, zeros, zeros, np.zeros(count, np.bool_), values),
            begin,
            rng,
            prompt=self.name,
            version=pa.repeat(pa.scalar(change.version or self.version), count),
            app=pa.repeat(pa.scalar(f"app-{self.name}"), count),
            request_model=pa.repeat(pa.scalar(REQUEST_MODEL), count),
            response_model=pa.repeat(pa.scalar(change.model or self.model), count),
        )
        self.spent_usd.append((until, float(values["cost_uncached_nano_usd"].sum()) * 1e-9))
        return requests, self._feedback(requests, change)

    def _times(self, begin: datetime, until: datetime) -> FloatArray:
        length_s = (until - begin).total_seconds()
        grid = np.linspace(0.0, length_s, max(int(length_s / 900.0), 2) + 1)
        hour, day = self._hours(begin, grid)
        rate = self._per_day / 86_400.0 * _GROWTH_PER_DAY**day * (1.0 - _TRAFFIC_DAILY * np.cos(_angle(hour)))
        rate *= np.where(day.astype(np.int64) % 7 >= 5, _TRAFFIC_WEEKEND, 1.0)
        done = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2.0 * np.diff(grid))])
        count = self._rng.poisson(done[-1])
        return np.asarray(np.interp(np.sort(self._rng.random(count)) * done[-1], done, grid), np.float64)

    def _hours(self, begin: datetime, at_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Hour of the day, and days since a Monday's midnight at which all began."""
        hours = (begin - self._began).total_seconds() / _HOUR_S + at_s / _HOUR_S
        return hours % 24.0, hours / 24.0

    def _wander(self, begin: datetime, at_s: FloatArray) -> FloatArray:
        """How far the level is from usual at each time, the same within an hour."""
        first = begin.replace(minute=0)
        found = []
        for place in range(int(((begin - first).total_seconds() + at_s[-1]) // _HOUR_S) + 1):
            hour = first + timedelta(hours=place)
            if hour > self._level_of:
                step = self._rng.normal(0.0, _WANDER * np.sqrt(1.0 - _MEMORY**2))
                self._level, self._level_of = _MEMORY * self._level + step, hour
            found.append(self._level)
        places = (((begin - first).total_seconds() + at_s) // _HOUR_S).astype(np.int64)
        return np.asarray(found, np.float64)[places]

    def _values(
        self, begin: datetime, at_s: FloatArray, unit: IntArray, change: Change
    ) -> dict[str, FloatArray]:
        rng, count = self._rng, len(at_s)
        hour, day = self._hours(begin, at_s)
        weekend = day.astype(np.int64) % 7 >= 5
        season = _DAILY * np.sin(_angle(hour)) - _WEEKLY * weekend + self._wander(begin, at_s)
        known = unit < _LOYAL
        own = np.where(known, self._own[:, np.where(known, unit, 0)], rng.normal(size=(3, count)))
        latent = np.sqrt(_OF_USER) * own + np.sqrt(1.0 - _OF_USER) * rng.normal(size=(3, count))
        load = 1.0 - 0.15 * np.cos(_angle(hour)) - season
        # Divided by what the season may add, for scores end at 1.
        level = np.minimum((1.0 + season) / 1.06, 1.0) * change.quality
        return {
            "quality": np.interp(latent[0], _Z, _QUALITY) * level,
            "cost_uncached_nano_usd": _COST_NANO_USD * np.exp(0.8 * latent[1]) * change.cost,
            "latency_ms": _LATENCY_MS * np.exp(0.5 * latent[2]) * load * change.latency,
            "errors": (rng.random(count) < _ERRORS * change.errors).astype(np.float64),
            "refusals": (rng.random(count) < _REFUSALS).astype(np.float64),
        }

    def _feedback(self, requests: pa.Table, change: Change) -> pa.Table:
        rng = self._rng
        about = requests.take(np.flatnonzero(rng.random(requests.num_rows) < _RATED))
        count = about.num_rows
        times_us = about["event_time"].cast(pa.int64()).to_numpy() + rng.integers(1, 240_000_000, count)
        given = {
            "feedback_id": ids_of_times(times_us, rng),
            "request_id": about["request_id"],
            "event_time": pa.array(times_us).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
            "app": about["app"],
            "thumbs": pa.array(np.where(rng.random(count) < _DOWN * change.down, "down", "up")),
            "metadata": pa.array([[]] * count, arrow_schema("feedback").field("metadata").type),
        }
        schema = arrow_schema("feedback")
        return pa.table(
            [
                given[one.name].cast(one.type) if one.name in given else pa.nulls(count, one.type)
                for one in schema
            ],
            schema=schema,
        )


def _angle(hour: FloatArray) -> FloatArray:
    return np.asarray(2.0 * np.pi * hour / 24.0, np.float64)
