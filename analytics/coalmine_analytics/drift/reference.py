"""The frozen reference of one metric: its level at each place of the season, and its noise."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaincinv, stdtrit

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.drift.buckets import LENGTHS, Buckets, bucketed, place_count, places
from coalmine_analytics.drift.e_detector import CLIP
from coalmine_analytics.results.drift import Matching

MIN_EVENTS = 30.0
"""A typical bucket has at least this many events, unless even a day has fewer."""
MIN_RARE = 5.0
"""For a rate it also has at least this many of the rarer outcome."""
MIN_BUCKETS = 10
"""Least number of buckets in a reference."""
TIMES: tuple[tuple[Matching, int], ...] = (("hour of week", 2), ("hour of day", 3))
"""Times nearly every place of a cycle has to be in the reference, to be matched by: two weeks, three days."""
NEARLY = 0.9
BLOCKS_H = (6, 24)
"""Lengths of blocks in which neighbouring hours are checked for moving together."""
DOUBT = 0.1
"""The noise is taken at the upper end of a one-sided interval that misses it so often."""
WILD = 6.0
"""A place of the season with a bucket this many robust standard deviations off is left out."""
FLOOR_SD = 2.0
"""A shift up to this many standard errors of the whole reference is not drift."""
DAY_H = 24
LASTING = ((1, 0.99), (7, 0.95))
"""Lengths of blocks in days; a shift up to this quantile of what they let expect is not drift. Two weeks
are one difference: at a higher quantile, Student's t with one degree of freedom would hide every shift."""


MOST_KEPT = 1_500
"""References that are kept, of about 10 kB with what they were fitted to: those of a hundred versions."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The reference that buckets are compared with."""

    matching: Matching
    length: int
    """Hours of a bucket."""
    buckets: int
    """Buckets it was taken from."""
    expected: FloatArray
    """By place, metric's unit; NaN where the reference has too little."""
    place_variance: FloatArray
    """Of `expected`, by place."""
    variance_per_x: float
    """Sampling variance of a bucket's ratio, times its denominator."""
    hour_variance: float
    """Variance of buckets beyond sampling: hours differ."""
    inflation: float
    """Factor by which neighbouring buckets move together: 1 means independently."""
    doubt: float
    """Factor by which the noise may be underestimated, since it comes from few buckets; >= 1."""
    offset: float
    """Added to `expected`, so that clipped deviations have mean 0."""
    standard_error: float
    """Of the whole reference's level."""
    lasting: float
    """A difference of this size may last without drift, since days of the reference differ, metric's unit."""

    def expected_of(self, buckets: Buckets) -> FloatArray:
        """Values of the reference in these buckets; NaN where unknown."""
        return self.expected[places(buckets.start, self.matching, self.length)] + self.offset

    def sigma_of(self, buckets: Buckets) -> FloatArray:
        """Standard deviation of a bucket's deviation while nothing has changed."""
        own = self.inflation * (self.variance_per_x / buckets.x + self.hour_variance)
        at = places(buckets.start, self.matching, self.length)
        return np.sqrt(self.doubt * (own + self.place_variance[at]))


def take_reference(hours: Buckets, *, is_rate: bool, match: bool = True) -> Reference | None:
    """Fit the reference of one metric to the hours of its window.

    Within hours the noise is that of unit groups (a unit's requests are correlated). Hours also differ beyond
    that, by a variance found as in meta-analysis (Paule-Mandel), and neighbours differ together, which shows
    in blocks of 6 and 24 hours. Whole days differ, too, and for how long is not known: see `_lasting`.

    Args:
        hours: With data, inside the window.
        is_rate: True for a share of events, 0 to 1.
        match: False compares with the overall level at every hour, to demonstrate the effect of matching.

    Returns:
        None if there is too little, or nothing varies.

    References:
        R. C. Paule and J. Mandel, Consensus values and weighting factors, J. Res. NBS 87 (1982), for the
        variance between hours; the inflation is the variance of block means over that of independent buckets.
    """
    numbers = (np.asarray(each, np.float64).tobytes() for each in (hours.x, hours.y, hours.noise))
    return _taken(np.asarray(hours.start, np.int64).tobytes(), *numbers, is_rate=is_rate, match=match)


@lru_cache(MOST_KEPT)
def _taken(start: bytes, x: bytes, y: bytes, noise: bytes, *, is_rate: bool, match: bool) -> Reference | None:
    """Each judgement of a version needs the same references again, and to fit them takes most of its time."""
    hours = Buckets(np.frombuffer(start, np.int64), *(np.frombuffer(each) for each in (x, y, noise)))
    for length in LENGTHS:
        found = _fitted(bucketed(hours, length), length, is_rate=is_rate, match=match)
        if found is not None:
            return found
    return None


def _fitted(buckets: Buckets, length: int, *, is_rate: bool, match: bool) -> Reference | None:
    """Fit a reference to buckets of this length; None if longer ones are needed."""
    last = length == LENGTHS[-1]
    total_x = buckets.x.sum()
    if len(buckets.x) < MIN_BUCKETS or not total_x > 0:
        return None
    share = float(np.clip((buckets.y.sum() + 0.5) / (total_x + 1.0), 0.0, 1.0)) if is_rate else 0.5
    typical = float(np.median(buckets.x))
    few = typical < MIN_EVENTS or (is_rate and typical * min(share, 1.0 - share) < MIN_RARE)
    if few and not last:
        return None
    per_x = float(buckets.noise.sum() / total_x)
    if is_rate:
        per_x = max(per_x, share * (1.0 - share))
    if not per_x > 0:
        return None
    matching = _matching(buckets, length) if match else "none"
    fit = _Fit(buckets, matching, length, per_x)
    fit.leave_wild_places_out()
    if fit.freedom < MIN_BUCKETS / 2:
        return None
    return fit.reference()


def _matching(buckets: Buckets, length: int) -> Matching:
    """The longest cycle of which the reference has nearly every place often enough."""
    for matching, times in TIMES:
        count = place_count(matching, length)
        seen = np.bincount(places(buckets.start, matching, length), minlength=count)
        if count > 1 and (seen >= times).mean() >= NEARLY:
            return matching
    return "none"


class _Fit:
    """Level by place and variances, estimated step by step."""

    def __init__(self, buckets: Buckets, matching: Matching, length: int, per_x: float) -> None:
        self._all = buckets
        self._matching, self._length, self._per_x = matching, length, per_x
        self._count = place_count(matching, length)
        self._left_out = np.zeros(self._count, np.bool_)
        self._choose()

    def _choose(self) -> None:
        at = places(self._all.start, self._matching, self._length)
        often = np.bincount(at, minlength=self._count)
        keep = (often >= 2)[at] & ~self._left_out[at]
        self._buckets = self._all.part(keep)
        self._at = at[keep]
        self.freedom = int(keep.sum()) - len(np.unique(self._at))
        self._hour_variance = self._between_hours()

    def leave_wild_places_out(self) -> None:
        """An outage within the reference is neither its level nor its noise."""
        if not len(self._at):
            return
        residual, leverage = self._residuals(0.0)
        each = np.abs(residual) / np.sqrt(self._sampling() * np.maximum(1.0 - leverage, 1e-9))
        wild = each > WILD * max(1.4826 * float(np.median(each)), 1e-12)
        found = np.zeros(self._count, np.bool_)
        found[self._at[wild]] = True
        if found.any() and found.mean() <= 0.1:
            self._left_out = found
            self._choose()

    def _sampling(self) -> FloatArray:
        return self._per_x / self._buckets.x

    def _residuals(self, hour_variance: float) -> tuple[FloatArray, FloatArray]:
        """Ratio minus level of its place, and each bucket's share in that level."""
        weight = 1.0 / (self._sampling() + hour_variance)
        total = np.bincount(self._at, weight, self._count)
        with np.errstate(invalid="ignore", divide="ignore"):
            level = np.bincount(self._at, weight * self._buckets.ratio, self._count) / total
        return self._buckets.ratio - level[self._at], weight / total[self._at]

    def _between_hours(self) -> float:
        """The variance at which weighted squares have the right size; 0 if sampling explains all."""
        if self.freedom < 1:
            return 0.0

        def excess(variance: float) -> float:
            residual, _ = self._residuals(variance)
            return float((np.square(residual) / (self._sampling() + variance)).sum()) - self.freedom

        low, high = 0.0, float(np.var(self._buckets.ratio)) + 1e-300
        if excess(0.0) <= 0:
            return 0.0
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if excess(middle) > 0 else (low, middle)
        return high

    def _inflation(self, z: FloatArray) -> float:
        """Ratio of the variance of block means to that of independent buckets."""
        found = 1.0
        for hours in BLOCKS_H:
            if hours <= self._length:
                continue
            block = self._buckets.start // hours
            _, at, size = np.unique(block, return_inverse=True, return_counts=True)
            sums = np.bincount(at, z)
            freedom = len(size) * self.freedom / len(z)
            if freedom < 2:
                continue
            ratio = float(np.square(sums).sum() / size.sum()) / float(np.square(z).mean())
            found = max(found, ratio)
        return found

    def _lasting(self, residual: FloatArray, weight: FloatArray) -> float:
        """Deviation that may last without drift, given how days and weeks of the reference differ.

        How long a day's deviation lasts is not known, so it is taken to last for a week: later days are one
        draw, and the reference is the mean of as many draws as it has weeks. Variances of few days or weeks
        are uncertain, hence quantiles of Student's t.
        """
        found, within = 0.0, 0.0
        for days, quantile in LASTING:
            block = (self._buckets.start - self._buckets.start[0]) // (days * DAY_H)
            _, at, size = np.unique(block, return_inverse=True, return_counts=True)
            total = np.bincount(at, weight)
            mean = np.bincount(at, weight * residual) / total
            kept = self.freedom / len(residual)  # the levels of places were fitted to the same blocks
            freedom = len(size) * kept
            if len(size) < 2 or freedom < 0.9:
                continue
            alike = kept * float((1.0 / total).sum()) / freedom
            variance = max(float(np.square(mean).sum()) / freedom - alike - within / days, 0.0)
            draws = 1.0 + 7.0 / (days * len(size))
            found = max(found, float(stdtrit(freedom, quantile)) * float(np.sqrt(variance * draws)))
            within = variance
        return found

    def reference(self) -> Reference:
        """Assemble the reference."""
        variance = self._hour_variance
        weight = 1.0 / (self._sampling() + variance)
        total = np.bincount(self._at, weight, self._count)
        with np.errstate(invalid="ignore", divide="ignore"):
            level = np.bincount(self._at, weight * self._buckets.ratio, self._count) / total
            place_variance = np.where(total > 0, 1.0 / total, np.nan)
        level = np.where(total > 0, level, np.nan)
        residual, leverage = self._residuals(variance)
        z = residual / np.sqrt((self._sampling() + variance) * np.maximum(1.0 - leverage, 1e-9))
        inflation = self._inflation(z)
        # A chi-squared quantile; scipy.stats is slow to import.
        doubt = self.freedom / (2.0 * float(gammaincinv(self.freedom / 2.0, DOUBT)))
        sigma = np.sqrt(doubt * (inflation / weight + place_variance[self._at]))
        return Reference(
            matching=self._matching,
            length=self._length,
            buckets=len(self._at),
            expected=level,
            place_variance=place_variance,
            variance_per_x=self._per_x,
            hour_variance=variance,
            inflation=inflation,
            doubt=doubt,
            offset=_centre(residual, sigma),
            standard_error=float(np.sqrt(doubt * inflation / weight.sum())),
            lasting=self._lasting(residual, weight),
        )


def _centre(residual: FloatArray, sigma: FloatArray) -> float:
    """The shift after which clipped residuals have mean 0: Huber's location."""
    shift = 0.0
    for _ in range(50):
        z = (residual - shift) / sigma
        inside = np.abs(z) < CLIP
        slope = float((1.0 / sigma[inside]).sum())
        if slope <= 0:
            return 0.0
        step = float(np.clip(z, -CLIP, CLIP).sum()) / slope
        shift += step
        if abs(step) * 1e9 <= abs(shift) + float(sigma.min()):
            break
    return shift
