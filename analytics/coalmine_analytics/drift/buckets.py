"""Buckets of hours that hold enough data to be judged, and the season they are matched by."""

from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, IntArray
from coalmine_analytics.results.drift import Matching

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 24)
"""Possible lengths of a bucket, in hours."""
CYCLE: dict[Matching, int] = {"hour of week": 168, "hour of day": 24, "none": 1}
"""Length of each cycle, in hours."""


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Sums of one metric; all fields of shape (T,), in time order, without empty buckets."""

    start: IntArray
    """First hour of the bucket, hours since 1970."""
    x: FloatArray
    """Denominators: requests, ratings, ..."""
    y: FloatArray
    """Numerators, metric's unit."""
    noise: FloatArray
    """Variance of y - R x within the hours, over unit groups: n/(n-1) * sum (y_g - R x_g)^2."""

    @property
    def ratio(self) -> FloatArray:
        """Y / x."""
        return self.y / self.x

    def part(self, chosen: BoolArray) -> "Buckets":
        """Return the chosen buckets."""
        return Buckets(self.start[chosen], self.x[chosen], self.y[chosen], self.noise[chosen])


def bucketed(hours: Buckets, length: int) -> Buckets:
    """Merge hours into buckets of `length` hours, counted from midnight UTC."""
    if length == 1:
        return hours
    begin = hours.start // length * length
    start, place = np.unique(begin, return_inverse=True)
    x, y, noise = (
        np.bincount(place, weights, len(start)).astype(np.float64)
        for weights in (hours.x, hours.y, hours.noise)
    )
    return Buckets(start, x, y, noise)


def places(start: IntArray, matching: Matching, length: int) -> IntArray:
    """Return the place of each bucket in the cycle, 0 .. `place_count` - 1."""
    if matching == "none":
        return np.zeros(len(start), np.int64)
    # Hour 0 of 1970 was a Thursday's; which day a week begins with makes no difference.
    return start % CYCLE[matching] // length


def place_count(matching: Matching, length: int) -> int:
    """Number of places in the cycle."""
    return max(1, CYCLE[matching] // length)
