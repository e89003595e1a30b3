"""Comparisons without randomisation: mixes are adjusted for, and every answer says what it is not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.observational import compare_versions
from coalmine_analytics.results.comparison import ComparedMetric, Comparison
from coalmine_consumers.experiments import VersionPair, version_sums
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, Row, many_requests, reactions_to, request

PAIR = VersionPair("refund", "1.0.0", "1.1.0")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


COMPARISON = TypeAdapter(Comparison)


def compared(store: Store, pair: VersionPair = PAIR, segments: tuple[str, ...] | None = None) -> Comparison:
    with store.cursor() as cursor:
        sums = version_sums(cursor, pair, segments)
    assert sums is not None
    return compare_versions(sums)


def metric(found: Comparison, name: str) -> ComparedMetric:
    (one,) = [each for each in found.metrics if each.metric == name]
    return one


def calls(version: str, count: int, *, paid: float, at: datetime = START, seed: int = 1) -> list[Row]:
    """Requests whose errors depend on the tier alone: 2 % of free ones, 20 % of paid ones."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        tier = "paid" if random.random() < paid else "free"
        failed = random.random() < (0.2 if tier == "paid" else 0.02)
        values: dict[str, Any] = {"error_type": "timeout"} if failed else {}
        rows.append(
            request(
                seed * 100_000 + number,
                at,
                version=version,
                unit_id=f"user-{seed}-{number}",
                segments=[{"key": "tier", "value": tier}],
                **values,
            )
        )
    return rows


def test_a_difference_that_is_all_mix_is_adjusted_away(store: Store) -> None:
    rows = [*calls("1.0.0", 3_000, paid=0.2), *calls("1.1.0", 3_000, paid=0.8, seed=2)]
    store.commit(Feed().batch(rows))
    found = compared(store)
    assert found.adjusted_for == ("model", "tier", "time")
    assert COMPARISON.validate_json(COMPARISON.dump_json(found)) == found
    assert found.coverage == 1.0
    errors = metric(found, "error_rate")
    assert errors.difference == pytest.approx(0.108, abs=0.03)
    assert errors.adjusted_difference == pytest.approx(0.0, abs=0.02)
    assert errors.verdict == "no difference shown"
    assert metric(compared(store, segments=()), "error_rate").verdict == "seems worse"


def test_one_mix_gives_what_the_core_gives(store: Store) -> None:
    store.commit(Feed().batch([*calls("1.0.0", 500, paid=0.5), *calls("1.1.0", 500, paid=0.5, seed=2)]))
    with store.cursor() as cursor:
        sums = version_sums(cursor, PAIR, ())
    assert sums is not None
    at = sums.metrics.index("errors")
    a, b = (arm_ratio(sums.y[at, :, version], sums.x[at, :, version]) for version in range(2))
    found = metric(compare_versions(sums), "error_rate")
    assert found.adjusted_difference == pytest.approx(float(difference(b, a).estimate[0]), rel=1e-12)
    assert found.lower is not None
    assert found.upper is not None
    half = (found.upper - found.lower) / 2
    assert half > 1.96 * float(difference(b, a).standard_error[0])


def test_versions_that_never_met_are_warned_of(store: Store) -> None:
    later = START + timedelta(days=2)
    store.commit(
        Feed().batch([*calls("1.0.0", 100, paid=0.5), *calls("1.1.0", 100, paid=0.5, at=later, seed=2)])
    )
    found = compared(store)
    assert (found.randomised, found.overlap, found.experiments) == (False, 0.0, ())
    assert "not randomised" in found.warnings[0]
    assert "never ran in the same hour" in found.warnings[1]


def test_what_only_one_version_had_is_left_out_and_said(store: Store) -> None:
    rows = [*calls("1.0.0", 400, paid=0.0), *calls("1.1.0", 400, paid=0.5, seed=2)]
    store.commit(Feed().batch(rows))
    found = compared(store)
    assert found.coverage == pytest.approx(0.75, abs=0.03)
    assert any("left out" in warning for warning in found.warnings)
    assert metric(found, "error_rate").adjusted_a_value == metric(found, "error_rate").a_value


def test_few_users_are_not_enough_however_many_requests(store: Store) -> None:
    rows = [request(number, version=("1.0.0", "1.1.0")[number % 2]) for number in range(400)]  # seven users
    store.commit(Feed().batch(rows))
    errors = metric(compared(store), "error_rate")
    assert errors.verdict == "not enough data"
    assert (errors.adjusted_difference, errors.lower) == (None, None)
    assert "30 units" in errors.words


def test_every_metric_of_experiments_is_compared_and_agrees_with_sql(store: Store) -> None:
    requests = many_requests(4_000, seed=1)
    feedback, scores = reactions_to(requests, seed=2, share=0.5)
    store.commit(Feed().batch(requests, feedback, scores))
    found = compared(store, segments=())
    assert {each.metric for each in found.metrics} >= {
        "quality",
        "thumbs_up_rate",
        "error_rate",
        "cost_per_request",
        "latency_ms",
        "latency_over_p95_rate",
        "grounding",
    }
    assert found.experiments == ("exp-1",)
    rows: pa.Table = store.reader().table(
        "SELECT version, avg(value) AS quality FROM scores JOIN requests USING (request_id) "
        "WHERE prompt = 'refund' AND name = 'quality' GROUP BY version ORDER BY version"
    )
    quality = metric(found, "quality")
    assert [quality.a_value, quality.b_value] == pytest.approx(rows["quality"].to_pylist(), rel=1e-9)


def test_names_are_only_names(store: Store) -> None:
    odd = "it's;\n DROP TABLE requests --"
    rows = [
        request(
            number,
            prompt=odd,
            version=("a'", "b'")[number % 2],
            unit_id=f"user-{number}",
            segments=[{"key": "o'dd", "value": "v'"}],
        )
        for number in range(100)
    ]
    store.commit(Feed().batch(rows))
    pair = VersionPair(odd, "a'", "b'", "prod", START.astimezone(UTC), START + timedelta(days=1))
    assert compared(store, pair, ("o'dd",)).adjusted_for == ("model", "o'dd", "time")
    with store.cursor() as cursor:
        assert version_sums(cursor, VersionPair(odd, "a'", "c")) is None


def ramp(hours: int, per_hour: int, *, rise: float, experiment: str | None = None) -> list[Row]:
    """Equal versions: 1.1.0 grows from 5 to 50 % while errors grow from 10 % by `rise`, for both."""
    random = np.random.default_rng(7)
    rows = []
    for number in range(hours * per_hour):
        hour = number // per_hour
        at = START + timedelta(hours=hour, seconds=(number % per_hour) * 3600 / per_hour)
        done = hour / (hours - 1)
        new = random.random() < 0.05 + 0.45 * done
        failed = random.random() < 0.1 + rise * done
        arm: dict[str, Any] = {}
        if experiment is not None:
            arm = {
                "experiment": experiment,
                "variant": "treatment" if new else "control",
                "allocation_epoch": hour + 1,
            }
        rows.append(
            request(
                number,
                at,
                version="1.1.0" if new else "1.0.0",
                unit_id=f"user-{number}",
                error_type="timeout" if failed else None,
                **arm,
            )
        )
    return rows


@pytest.mark.parametrize("experiment", [None, "tone"])
def test_a_ramp_while_the_level_rises_is_no_difference(store: Store, experiment: str | None) -> None:
    store.commit(Feed().batch(ramp(12, 1_000, rise=0.3, experiment=experiment)))
    found = compared(store)
    errors = metric(found, "error_rate")
    assert errors.difference is not None
    assert errors.difference > 0.05  # what pooling would show
    assert errors.verdict == "no difference shown"
    assert errors.adjusted_difference == pytest.approx(0.0, abs=0.02)
    assert (found.randomised, found.experiments) == (
        experiment is not None,
        (experiment,) if experiment else (),
    )
    assert "time" in found.adjusted_for


def test_an_experiment_that_covers_both_answers_for_them(store: Store) -> None:
    # Outside of it 1.1.0 serves a place where everything fails.
    elsewhere = [
        request(
            50_000 + number,
            START,
            version="1.1.0",
            unit_id=f"other-{number}",
            error_type="timeout",
            variant=None,
        )
        for number in range(2_000)
    ]
    store.commit(Feed().batch([*ramp(6, 500, rise=0.0, experiment="tone"), *elsewhere]))
    found = compared(store)
    assert found.b.requests < 2_000
    assert metric(found, "error_rate").verdict == "no difference shown"
    assert "decide by its readout" in found.warnings[0]


def test_versions_that_never_ran_together_are_compared_around_the_change(store: Store) -> None:
    hours = [timedelta(hours=hour) for hour in range(20 * 24)]
    rows = [
        request(
            number, START + hour, version="1.0.0" if hour.days < 10 else "1.1.0", unit_id=f"user-{number}"
        )
        for number, hour in enumerate(hour for hour in hours for _ in range(4))
    ]
    store.commit(Feed().batch(rows))
    found = compared(store)
    assert found.a.first_event_time >= START + timedelta(days=2)
    assert found.b.last_event_time <= START + timedelta(days=17, hours=1)
    assert found.a.requests == pytest.approx(found.b.requests, abs=8)
    assert "time" not in found.adjusted_for
    assert "time is not separated" in found.warnings[1]


@pytest.mark.parametrize("minute", [0, 30])
@pytest.mark.parametrize("newer", ["1.0.0", "1.1.0"])
def test_a_version_of_some_hours_is_compared_with_the_same_hours_of_another_day(
    store: Store, newer: str, minute: int
) -> None:
    """Errors come by day, and versions are equal: the hours before the change are the night's."""
    older = "1.1.0" if newer == "1.0.0" else "1.0.0"
    random = np.random.default_rng(7)
    change = timedelta(days=5, hours=8, minutes=minute)
    rows: list[Row] = []
    for half in range(2 * (3 * 24 + 8), 2 * (5 * 24 + 18)):
        after = timedelta(minutes=30) * half
        by_day = 8 <= half // 2 % 24 < 20
        for _ in range(30):
            failed = random.random() < (0.3 if by_day else 0.02)
            values: dict[str, Any] = {"error_type": "timeout"} if failed else {}
            version = newer if after >= change else older
            rows.append(
                request(len(rows), START + after, version=version, unit_id=f"user-{len(rows)}", **values)
            )
    rows.append(request(len(rows), START + change, version=older))  # a client that is a little late
    store.commit(Feed().batch(rows))
    found = compared(store)
    assert metric(found, "error_rate").verdict == "no difference shown"
    new, old = (found.a, found.b) if newer == "1.0.0" else (found.b, found.a)
    assert new.first_event_time - old.first_event_time == timedelta(days=1)
    assert new.last_event_time - old.last_event_time == timedelta(days=1)
    assert "time is not separated" in found.warnings[1]


@pytest.mark.parametrize(
    ("day", "back"),
    [(5, 7), (7, 4), (8, 1)],
    ids=["Saturday", "Monday", "Tuesday"],
)
def test_a_version_of_some_hours_is_compared_with_a_like_day_of_the_week(
    store: Store, day: int, back: int
) -> None:
    """Errors come at weekends, and versions are equal: the day before need not be like this one."""
    random = np.random.default_rng(9)
    monday = START.replace(hour=0) - timedelta(days=1)
    change = monday + timedelta(days=day, hours=8)
    rows: list[Row] = []
    for half in range(2 * 24 * -5, 2 * (24 * day + 18)):
        at = monday + timedelta(minutes=30) * half
        for _ in range(20):
            failed = random.random() < (0.3 if at.weekday() >= 5 else 0.02)
            values: dict[str, Any] = {"error_type": "timeout"} if failed else {}
            version = "1.1.0" if at >= change else "1.0.0"
            rows.append(request(len(rows), at, version=version, unit_id=f"user-{len(rows)}", **values))
    store.commit(Feed().batch(rows))
    found = compared(store)
    assert metric(found, "error_rate").verdict == "no difference shown"
    assert found.b.first_event_time - found.a.first_event_time == timedelta(days=back)
    assert found.b.first_event_time == change


def test_what_ran_alone_for_long_is_not_compared_with_what_runs_together(store: Store) -> None:
    """Errors were rare before the new version came, and are frequent for both since."""
    random = np.random.default_rng(8)
    rows: list[Row] = []
    for hour in range(24):
        for number in range(60):
            failed = random.random() < (0.02 if hour < 12 else 0.3)
            values: dict[str, Any] = {"error_type": "timeout"} if failed else {}
            # Both for six hours, and then the new one alone, which fails always.
            version = "1.0.0" if hour < 12 else "1.1.0" if hour >= 18 else ("1.0.0", "1.1.0")[number % 2]
            values = {"error_type": "timeout"} if hour >= 18 else values
            at = START + timedelta(hours=hour)
            rows.append(request(len(rows), at, version=version, unit_id=f"user-{len(rows)}", **values))
    store.commit(Feed().batch(rows))
    found = compared(store)
    assert metric(found, "error_rate").verdict == "no difference shown"
    assert found.coverage == pytest.approx(0.25)
    assert any("left out of adjusted figures" in warning for warning in found.warnings)
