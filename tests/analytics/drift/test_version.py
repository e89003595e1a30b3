"""Drift of a version, read from its sums: what is one, what is none, and what is said of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coalmine_analytics.drift import DriftPlan, no_reference, read_drift
from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.results.drift import MetricDrift, VersionDrift
from coalmine_consumers.drift import AnsweringModel, DayOfRequests, Reallocation, VersionKey
from coalmine_consumers.results import DayIgnored
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.simulated_version import FIRST, Story, after, version_series

PLAN = DriftPlan()


def read(story: Story, plan: DriftPlan = PLAN, seed: int = 1) -> VersionDrift:
    return read_drift(version_series(story, seed), plan, taken_at=after(story.days))


def metric(found: VersionDrift, name: str = "quality") -> MetricDrift:
    (one,) = [row for row in found.metrics if row.metric == name]
    return one


def test_a_steady_version_is_steady() -> None:
    found = read(Story())
    assert (found.state, found.words, found.warnings) == ("steady", "no drift", ())
    quality = metric(found)
    assert quality.state == "steady"
    assert quality.matched_by == "hour of week"
    assert quality.log_evidence is not None
    assert quality.log_threshold is not None
    assert quality.log_evidence < quality.log_threshold
    assert quality.lower is not None
    assert quality.upper is not None
    assert quality.lower < 0 < quality.upper
    assert found.watched_until == after(24) - timedelta(hours=1)


def test_a_shift_is_told_with_its_beginning_and_size() -> None:
    found = read(Story(quality_shift=-0.06))
    assert (found.state, found.words) == ("drifted", "drift in quality")
    quality = metric(found)
    assert (quality.state, quality.better) == ("drifted", False)
    assert "worse since about" in quality.words
    assert quality.since is not None
    assert abs(quality.since - after(18)) <= timedelta(hours=3)
    assert quality.detected_at is not None
    assert timedelta(0) < quality.detected_at - after(18) < timedelta(hours=24)
    assert quality.shift == pytest.approx(-0.06, abs=0.01)
    assert quality.lower is not None
    assert quality.upper is not None
    assert quality.lower < -0.06 < quality.upper < 0
    assert quality.before == pytest.approx(0.8, abs=0.01)
    assert [row.metric for row in found.metrics if row.state == "drifted"] == ["quality"]


def test_a_drift_stays_found_as_more_comes() -> None:
    series = version_series(Story(quality_shift=-0.06))
    soon, later = (read_drift(series, PLAN, taken_at=after(days)) for days in (20, 24))
    assert metric(soon).detected_at == metric(later).detected_at
    assert metric(read_drift(series, PLAN, taken_at=after(18))).state == "steady"


def test_a_change_for_the_better_is_drift_too() -> None:
    quality = metric(read(Story(quality_shift=0.06)))
    assert (quality.state, quality.better) == ("drifted", True)
    assert "better since" in quality.words


def test_a_shift_that_does_not_matter_is_none() -> None:
    series = version_series(Story(quality_shift=-0.007, requests_per_hour=2_000.0, shift_day=14.0), seed=2)
    assert metric(read_drift(series, PLAN, taken_at=after(24))).state == "steady"
    strict = replace(PLAN, tolerance=0.0)
    assert metric(read_drift(series, strict, taken_at=after(24))).state == "drifted"


def test_one_busy_user_is_no_drift() -> None:
    story = Story(bot=0.5)
    series = version_series(story)
    found = read_drift(series, PLAN, taken_at=after(story.days))
    assert metric(found).state == "steady"
    # Hours alone would say so: the quality measured has fallen for good, by one user's doing.
    assert metric(read_drift(replace(series, days={}), PLAN, taken_at=after(24))).state == "drifted"


def ignored(first: int, last: int, *, ignored: bool = True) -> list[DayIgnored]:
    return [
        DayIgnored("refund", None, after(day).date(), ignored, "a holiday", "ada", after(20))
        for day in range(first, last)
    ]


def test_ignored_days_are_no_drift_and_stand_in_the_answer() -> None:
    story = Story(quality_shift=-0.06, back_day=20)
    series = version_series(story)
    taken_at = after(story.days)
    days = ignored(18, 20)
    found = read_drift(series, PLAN, taken_at=taken_at, named=days)
    assert (metric(found).state, found.ignored_days) == ("steady", tuple(days))
    undone = ignored(18, 20, ignored=False)
    again = read_drift(series, PLAN, taken_at=taken_at, named=undone)
    assert (metric(again).state, again.ignored_days) == ("returned", tuple(undone))
    assert read_drift(series, PLAN, taken_at=taken_at, named=ignored(30, 31)).ignored_days == ()


def test_ignored_days_are_in_no_reference_and_do_not_move_its_end() -> None:
    series = version_series(Story(quality_shift=-0.3, shift_day=0, back_day=1))
    found = read_drift(series, PLAN, taken_at=after(24), named=ignored(0, 1))
    (quality,) = [row for row in found.metrics if row.metric == "quality"]
    assert (found.reference_until, quality.reference_until) == (after(14), after(14))
    assert quality.reference_value == pytest.approx(0.8, abs=0.005)
    assert found.reference_requests < read_drift(series, PLAN, taken_at=after(24)).reference_requests
    assert "shorter than two weeks" in found.warnings[0]


def test_a_young_version_does_not_wait_for_fewer_days_because_some_are_ignored() -> None:
    series = version_series(Story(days=5, reference_frozen=False))
    found = read_drift(series, PLAN, taken_at=after(5), named=ignored(0, 2))
    assert "requests (3 so far)" in found.words
    assert "began 2026-03-02 00:00 UTC" in found.words
    assert found.speaks_from == after(16)
    nothing = read_drift(series, PLAN, taken_at=after(5), named=ignored(0, 6))
    assert (nothing.state, nothing.speaks_from) == ("not enough data", None)


def test_a_few_wild_hours_are_no_drift() -> None:
    assert metric(read(Story(outage_h=4)), "error_rate").state == "steady"


def test_what_lasts_and_passes_has_returned() -> None:
    found = read(Story(quality_shift=-0.06, back_day=19.5))
    assert found.state == "returned"
    assert metric(found).state == "returned"
    assert "has returned to the reference" in metric(found).words
    assert found.words == "drifted and has returned in quality"


def test_a_metric_that_came_later_has_a_reference_of_its_own() -> None:
    plan = replace(PLAN, overrides={"zeal": MetricOverride(direction="higher")})
    series = version_series(Story(days=30, new_score_day=5))
    zeal = metric(read_drift(series, plan, taken_at=after(30)), "zeal")
    assert (zeal.reference_since, zeal.reference_until) == (after(5), after(19))
    assert zeal.state == "steady"
    late = metric(
        read_drift(version_series(Story(days=30, new_score_day=20)), plan, taken_at=after(30)), "zeal"
    )
    assert late.state == "not enough data"
    assert late.log_evidence is None


def test_many_metrics_raise_the_threshold_of_each() -> None:
    few, many = read(Story()), read(Story(new_score_day=1, days=24))
    lower, higher = metric(few).log_threshold, metric(many).log_threshold
    assert lower is not None
    assert higher is not None
    assert higher > lower


def test_a_version_without_a_reference_says_what_it_waits_for() -> None:
    found = read(Story(days=5, reference_frozen=False))
    assert found.state == "not enough data"
    assert "its first 14 whole days with requests" in found.words
    assert "began 2026-03-02 00:00 UTC" in found.words
    assert found.metrics == ()
    assert f"drift can be told from {after(14):%Y-%m-%d} on" in found.words
    assert found.speaks_from == after(14)
    young = no_reference(VersionKey("p", "1", "prod"), PLAN, FIRST)
    assert (young.state, young.reference_since, young.speaks_from) == ("not enough data", None, None)


@pytest.mark.parametrize(
    ("first_hour", "per_day", "seen_days", "speaks_day"),
    [
        (0, 500, 2, 14),  # the first day is whole
        (9, 500, 2, 15),  # and here it is not
        (9, 500, 0, 15),  # on the first day itself
        (0, 50, 2, 21),  # 1,000 requests take longer than 14 days
        (0, 500, 20, 21),  # complete as soon as another day has requests
        (0, 1, 1, 1000),
    ],
)
def test_a_young_version_says_from_when_on_drift_can_be_told(
    first_hour: int, per_day: int, seen_days: int, speaks_day: int
) -> None:
    began = FIRST + timedelta(hours=first_hour)
    days = [
        DayOfRequests(
            FIRST + timedelta(days=day), per_day, began if day == 0 else FIRST + timedelta(days=day)
        )
        for day in range(max(seen_days, 1))
    ]
    taken_at = FIRST + timedelta(days=seen_days, hours=0 if seen_days else 20)
    found = no_reference(VersionKey("p", "1", "prod"), PLAN, taken_at, days)
    assert found.speaks_from is not None
    assert (found.speaks_from - FIRST).days == pytest.approx(speaks_day, abs=1 if per_day < 100 else 0)
    assert f"began {began:%Y-%m-%d %H:%M} UTC" in found.words


def test_a_new_model_is_named_as_the_likely_cause() -> None:
    def answers(name: str, day: float) -> AnsweringModel:
        return AnsweringModel("large", name, after(day), after(24), 1_000, 0.5)

    models = (answers("large-1", 0), answers("large-2", 18))
    series = version_series(Story(quality_shift=-0.06), models=models)
    found = read_drift(series, PLAN, taken_at=after(24))
    assert found.words == "drift in quality; new models answer: large-2 for large"
    assert metric(found).likely_causes == found.model_changes
    assert "large-2 began to answer for large" in metric(found).words
    calm = read_drift(version_series(Story(), models=models), PLAN, taken_at=after(24))
    assert calm.words == "no drift; new models answer: large-2 for large"


def test_who_gets_the_version_changing_is_a_warning() -> None:
    change = Reallocation(after(16), "1.0.0", "weights changed")
    found = read_drift(version_series(Story()), PLAN, taken_at=after(24), reallocations=[change])
    (warning,) = found.warnings
    assert "changed once since" in warning
    assert "2026-03-18 00:00 UTC (weights changed)" in warning


@pytest.mark.parametrize(
    ("fields", "names"),
    [({"false_alarm_days": 0.0}, "false_alarm_days"), ({"tolerance": 1.0}, "tolerance")],
)
def test_a_plan_that_makes_no_sense_is_refused(fields: dict[str, float], names: str) -> None:
    with pytest.raises(InvalidParameter, match=names):
        DriftPlan(**fields)  # type: ignore[arg-type]
