"""Which hours count, and when a metric's reference begins."""

import numpy as np

from coalmine_analytics.drift import DriftPlan
from coalmine_analytics.drift.metric import LATE_H, Window, monitored, own_window
from coalmine_analytics.metrics import BUILT_IN, Metric
from coalmine_consumers.drift import HourSeries
from tests.support.data.simulated_seasons import FIRST_HOUR, Season, as_series, hours_of

PLAN = DriftPlan()
END = FIRST_HOUR + 14 * 24
METRICS = {metric.name: metric for metric in BUILT_IN}


def hours(season: Season) -> HourSeries:
    return as_series(hours_of(season, np.random.default_rng(1)))


def last_hour(metric: Metric, season: Season, until: int) -> tuple[int, int]:
    """End of the last bucket that is judged, and hours of a bucket."""
    found = monitored(metric, hours(season), PLAN, FIRST_HOUR, Window(END, until))
    assert found is not None
    return int(found.buckets.start[-1]) + found.reference.length, found.reference.length


def test_a_bucket_counts_when_all_of_its_hours_do() -> None:
    season = Season(days=20, units_per_hour=5)
    ends = [last_hour(METRICS["quality"], season, END + 100 + more) for more in range(8)]
    assert {length for _, length in ends} <= {4, 6, 8}
    for more, (end, length) in enumerate(ends):
        assert 0 <= END + 100 + more - end < length


def test_what_comes_later_than_its_request_is_judged_later() -> None:
    rate = Season(days=20, kind="rate", level=0.5)
    until = END + 5 * 24
    assert last_hour(METRICS["error_rate"], rate, until)[0] == until
    assert last_hour(METRICS["thumbs_up_rate"], rate, until)[0] == until - LATE_H


def test_nothing_is_judged_while_there_is_no_hour_after_the_reference() -> None:
    assert monitored(METRICS["quality"], hours(Season(days=20)), PLAN, FIRST_HOUR, Window(END, END)) is None


def test_a_metric_that_began_later_has_a_reference_that_begins_later() -> None:
    came = hours(Season(days=20))
    begun = int(came.hour[0])
    assert own_window(came, PLAN, begun, END) == Window(begun, END)
    late = own_window(came, PLAN, begun - 5 * 24 - 3, END)
    assert late.since == begun
    assert late.until % 24 == 0
    assert late.until - late.since >= 14 * 24
