"""Feedback and scores are compared at equal age, from events as they are ingested."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.readout import FixedPlans, Plan, Readouts
from coalmine_consumers.aggregation.references import LATE_KNOWN, Reference, read_references
from coalmine_consumers.audit import audit
from coalmine_consumers.experiments import experiment_sums
from coalmine_consumers.maintenance import RetentionPolicy, SealPolicy, rebuild
from coalmine_consumers.maintenance.compact import fold
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.outcomes import settle_outcomes
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.batch import arrow_schema
from coalmine_schemas.ranges import Range
from coalmine_schemas.size import Size
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, Row, feedback, many_requests, outcome, request, score
from tests.support.oracles.store_state import freeze_windows

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def frozen(store: Store, metric: str = "feedback_delay_ms") -> Reference:
    with store.cursor() as cursor:
        (found,) = [each for each in read_references(cursor) if each.metric == metric]
    return found


def inside(number: int, after: timedelta = timedelta(0), **values: Any) -> Row:
    arm = {"experiment": "exp", "allocation_epoch": 1, "variant": "control"}
    return request(number, START + after, **arm, **values)


def sums(store: Store, at: datetime) -> dict[str, tuple[float, float]]:
    """Denominator and numerator by metric, of those with any."""
    found = experiment_sums(store.reader(), "exp", at=at)
    assert found is not None
    each = ((name, found.x[at].sum(), found.y[at].sum()) for at, name in enumerate(found.metrics))
    return {name: (float(x), float(y)) for name, x, y in each if x or y}


def test_a_request_counts_once_it_is_older_than_the_window(store: Store) -> None:
    freeze_windows(store, "exp")
    old, young = inside(1), inside(2, HOUR)
    feed = Feed()
    store.commit(
        feed.batch([old, young], [feedback(3, old, correction="no"), feedback(4, young, thumbs="up")])
    )
    store.commit(feed.batch(scores=[score(5, old, 0.25), score(6, young, 0.75)]))
    ripe = START + HOUR + 4 * MINUTE  # buckets have their ends a sixteenth of the window apart
    assert "feedback" not in sums(store, START + HOUR - MINUTE)
    assert sums(store, ripe)["feedback"] == sums(store, ripe)["corrections"] == (1, 1)
    assert "thumbs_up" not in sums(store, ripe)
    assert sums(store, ripe)["quality"] == (1, 0.25)
    later = sums(store, ripe + HOUR)
    assert later["feedback"] == (2, 2)
    assert (later["thumbs_up"], later["quality"]) == ((1, 1), (2, 1.0))


def test_only_what_came_within_the_window_counts_and_of_that_the_last_word(store: Store) -> None:
    freeze_windows(store, "exp")
    about = inside(1)
    said = [
        feedback(2, about, START + 59 * MINUTE, thumbs="down", unit_id="u"),
        feedback(3, about, START + MINUTE, thumbs="up", unit_id="u"),
        feedback(4, about, START + 61 * MINUTE, thumbs="up", rating=5.0, unit_id="u"),
        feedback(5, about, START + 60 * MINUTE, thumbs="up", unit_id="v"),
        feedback(6, about, START + 2 * HOUR, thumbs="up", unit_id="w"),
    ]
    scores = [score(7, about, 0.5, at=START + HOUR), score(8, about, 1.0, at=START + HOUR + MINUTE)]
    feed = Feed()
    for number in range(max(len(said), len(scores))):  # in either order, one after another
        store.commit(
            feed.batch([about] if number == 2 else [], said[number : number + 1], scores[number : number + 1])
        )
    expected = {"feedback": (1.0, 2.0), "thumbs_up": (2.0, 1.0), "quality": (1.0, 0.5)}

    def counted() -> dict[str, tuple[float, float]]:
        found = sums(store, START + 3 * HOUR)
        return {name: found[name] for name in ("feedback", "thumbs_up", "rating", "quality") if name in found}

    assert counted() == expected
    fold(store, "experiment_cells", rows_at_once=100)
    assert counted() == expected
    rebuild(store)
    assert counted() == expected
    report = audit(store, deep=True)
    assert report.ok, report.missing
    for event in INGESTED_EVENTS:
        seal(store, event, SealPolicy(max_rows=1, min_day_rows=1), START)
    expire(store, RetentionPolicy(raw_days=2), START + timedelta(days=9))
    rebuild(store)
    assert counted() == expected
    report = audit(store, deep=True)
    assert report.ok, report.missing


def test_without_a_window_feedback_waits_and_scores_count_at_once(store: Store) -> None:
    about = inside(1)
    store.commit(Feed().batch([about], [feedback(2, about, thumbs="up")], [score(3, about, 0.5)]))
    found = sums(store, START)
    assert found["quality"] == (1, 0.5)
    assert not {"feedback", "corrections", "thumbs_up"} & found.keys()


def history(count: int, hours: float, delay: timedelta) -> tuple[list[Row], list[Row]]:
    """Requests outside of experiments, each with feedback after a while."""
    requests = [
        request(1_000 + number, START - (hours * (number + 1) / count) * HOUR) for number in range(count)
    ]
    return requests, [
        feedback(5_000 + number, row, row["event_time"] + delay, thumbs="up")
        for number, row in enumerate(requests)
    ]


def test_the_window_is_what_nearly_all_feedback_of_the_weeks_before_took(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(*history(2 * LATE_KNOWN, 24 * 20, 30 * MINUTE)))
    store.commit(feed.batch([inside(1)]))
    found = frozen(store)
    assert (found.basis, found.known) == ("before", 2 * LATE_KNOWN)
    assert found.value == pytest.approx(30 * 60_000, rel=0.02)
    assert sums(store, START + HOUR)["feedback"] == (1, 0)
    usual = inside(2)
    store.commit(feed.batch([usual], [feedback(3, usual, START + 30 * MINUTE, thumbs="up")]))
    assert sums(store, START + HOUR)["feedback"] == (2, 1)
    for number in range(5):  # never moved
        about = inside(10 + number, number * HOUR)
        store.commit(feed.batch([about], [feedback(20 + number, about, START + 9 * HOUR, thumbs="up")]))
    assert frozen(store) == found


def test_a_window_is_not_taken_from_what_was_too_short_to_show_it(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(*history(2 * LATE_KNOWN, 1, 30 * MINUTE)))
    store.commit(feed.batch([inside(1)]))
    assert frozen(store).value is None
    store.commit(feed.batch([inside(2, 2 * HOUR)]))
    found = frozen(store)
    assert (found.basis, found.since_ingest_id) == ("first requests", 3)
    assert found.value == pytest.approx(30 * 60_000, rel=0.02)
    store.commit(feed.batch([inside(3, 3 * HOUR)]))
    assert sums(store, START + 9 * HOUR)["feedback"] == (1, 0)


def busy(count: int, seed: int, start: datetime, hours: float, experiment: str | None) -> pa.Table:
    """Requests of many users of one prompt, half of them in either arm."""
    rows = many_requests(count, seed, start=start, hours=hours, experiment=experiment)
    units = np.random.default_rng(seed).integers(0, 5_000, count)
    columns = {
        "prompt": pa.repeat("refund", count),
        "environment": pa.repeat("prod", count),
        "unit_id": pa.array([f"user-{unit}" for unit in units]),
        "variant": pa.array(np.where(units % 2, "treatment", "control")),
    }
    for name, column in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, column)
    return rows


def corrections_of(
    requests: pa.Table, mean_delay: dict[str, timedelta], random: np.random.Generator
) -> pa.Table:
    """Corrections of 5 % of requests, after delays that differ between arms."""
    about = requests.take(np.flatnonzero(random.random(requests.num_rows) < 0.05))
    count = about.num_rows
    means = np.array([mean_delay[arm] / timedelta(microseconds=1) for arm in about["variant"].to_pylist()])
    times_us = about["event_time"].cast(pa.int64()).to_numpy() + random.exponential(means).astype(np.int64)
    schema = arrow_schema("feedback")
    given: dict[str, Any] = {
        "feedback_id": about["request_id"],  # as good as any other that is different for each
        "request_id": about["request_id"],
        "event_time": pa.array(times_us).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        "app": about["app"],
        "correction": pa.repeat("no", count),
        "unit_id": about["unit_id"],
        "metadata": pa.array([[]] * count, schema.field("metadata").type),
    }
    columns = [given[one.name] if one.name in given else pa.nulls(count, one.type) for one in schema]
    return pa.table([each.cast(one.type) for each, one in zip(columns, schema, strict=True)], schema=schema)


def between(rows: pa.Table, begin: datetime, end: datetime) -> pa.Table:
    times = rows["event_time"].cast(pa.int64()).to_numpy()
    first, last = (int(each.timestamp() * 1e6) for each in (begin, end))
    return rows.filter(pa.array((times >= first) & (times < last)))


@pytest.mark.parametrize(
    ("control", "treatment"), [(30, 60), pytest.param(60, 10, marks=pytest.mark.campaign)]
)
def test_feedback_that_comes_later_in_one_arm_is_no_harm(store: Store, control: int, treatment: int) -> None:
    random = np.random.default_rng(control + treatment)
    delays = {"control": control * MINUTE, "treatment": treatment * MINUTE}
    before = busy(4_000, 1, START - 240 * HOUR, 200, None)
    requests = busy(24_000, 2, START, 8, "exp-1")
    corrections = corrections_of(requests, delays, random)
    feed, clock = Feed(), [START]
    usual = dict.fromkeys(delays, delays["control"])
    store.commit(feed.batch(before, corrections_of(before, usual, random)))
    readouts = Readouts(store, FixedPlans(Plan(control="control")), clock=lambda: clock[0])
    for hour in range(8):
        begin, end = START + hour * HOUR, START + (hour + 1) * HOUR
        store.commit(feed.batch(between(requests, begin, end), between(corrections, begin, end)))
        clock[0] = end
        readout = readouts.current("exp-1")
        assert readout is not None
        for arm in readout.arms:
            assert not (arm.decision == "rollback" and "correction_rate" in arm.words), (hour, arm.words)
    seen = store.reader().rows(
        "SELECT variant, count(feedback_id) / count(*) AS rate FROM requests "
        "LEFT JOIN feedback USING (request_id) WHERE experiment = 'exp-1' GROUP BY variant ORDER BY variant"
    )
    found = experiment_sums(store.reader(), "exp-1", at=clock[0])
    assert found is not None
    place = found.metrics.index("corrections")
    rate = found.y[place].sum(axis=(0, 2)) / found.x[place].sum(axis=(0, 2))
    assert found.x[place].sum() > 8_000
    assert rate[0] == pytest.approx(0.0475, abs=0.006)
    # Counted as they come, the arms differ by what the window leaves out, and by the last hours besides.
    assert abs(rate[1] / rate[0] - 1) < abs(seen[1]["rate"] / seen[0]["rate"] - 1) + 0.15


def test_units_of_which_nothing_is_known_later_count_as_such(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "declared", StoreSettings(ranges={"converted": Range(0.0, 1.0)}))
    arms = {"control": 4, "treatment": 8}  # one in so many units converts, and says so after two days
    calls, said = [], []
    for number in range(3_000):
        unit, arm = f"user-{number}", ("control", "treatment")[number % 2]
        served = {"experiment": "exp", "allocation_epoch": 1, "variant": arm, "unit_id": unit}
        calls.append(request(number, START + number * timedelta(seconds=1), **served))
        if number // 2 % arms[arm] == 0:
            said.append(outcome(number, START + 48 * HOUR, unit_id=unit))
    store.commit(Feed().batch(calls, scores=said))
    settle_outcomes(store, START)
    role = MetricOverride(direction="higher", role="must_not_harm", margin=Size(0.05))
    plan = Plan(control="control", overrides={"per_unit.converted": role})
    readouts = Readouts(store, FixedPlans(plan), clock=lambda: START + 80 * HOUR)
    readout = readouts.current("exp")
    assert readout is not None
    (treated,) = readout.arms
    found = {each.metric: each for each in treated.metrics}
    converted = found["per_unit.converted"]
    assert converted.control_value == pytest.approx(0.25)
    assert converted.value == pytest.approx(0.125, abs=0.001)
    assert (converted.verdict, treated.decision) == ("worse", "rollback")
    assert found["converted"].value == found["converted"].control_value == 1.0  # of those that said so
    store.close()


def visits_of_equal_versions(random: np.random.Generator, *, ramps: bool) -> tuple[list[Row], list[Row]]:
    """Calls and outcomes of 3,000 users: the treatment brings back four in five each day, control one in ten.

    Of each arm half convert, within three days of their first call, whether or not they come back.
    If it ramps, a tenth of users get the treatment on the first day, and half of them from then on.
    """
    calls: list[Row] = []
    said: list[Row] = []
    for number in range(3_000):
        first, place = random.uniform(0, 48) * HOUR, random.random()
        at, days = first, 0
        while days == 0 or (
            days < 4 and random.random() < (0.8 if calls[-1]["variant"] == "treatment" else 0.1)
        ):
            at = first + days * (24 * HOUR) + random.uniform(0, 1) * HOUR
            epoch = 1 + int(ramps and at >= 24 * HOUR)
            arm = "treatment" if place < (0.1 if ramps and epoch == 1 else 0.5) else "control"
            served = {
                "experiment": "exp",
                "allocation_epoch": epoch,
                "variant": arm,
                "unit_id": f"user-{number}",
            }
            calls.append(request(len(calls), START + at, **served))
            days += 1
        if random.random() < 0.5:
            said.append(
                outcome(number, START + first + random.uniform(1, 71) * HOUR, unit_id=f"user-{number}")
            )
    return calls, said


@pytest.mark.parametrize("ramps", [False, True], ids=["one split", "a ramp"])
def test_a_version_that_brings_users_back_has_no_fewer_outcomes_of_a_unit(
    tmp_path: Path, ramps: bool
) -> None:
    store = Store.open(tmp_path / "declared", StoreSettings(ranges={"converted": Range(0.0, 1.0)}))
    calls, said = visits_of_equal_versions(np.random.default_rng(8), ramps=ramps)
    role = MetricOverride(direction="higher", role="must_not_harm", margin=Size(0.05))
    plan = Plan(control="control", overrides={"per_unit.converted": role})
    clock, feed = [START], Feed()
    readouts = Readouts(store, FixedPlans(plan), clock=lambda: clock[0])
    seen = []
    for step in range(5, 17, size(3, 1)):
        since, clock[0] = clock[0], START + step * 12 * HOUR
        new = ([row for row in rows if since <= row["event_time"] < clock[0]] for rows in (calls, said))
        store.commit(feed.batch(next(new), scores=next(new)))
        settle_outcomes(store, clock[0])
        readout = readouts.current("exp")
        assert readout is not None
        found = {each.metric: each for each in readout.arms[0].metrics}
        if (converted := found.get("per_unit.converted")) is not None:
            assert converted.verdict not in {"worse", "better"}, (step, converted.words)
            seen.append(converted)
    assert seen[-1].control_value == pytest.approx(0.5, abs=0.04)
    assert seen[-1].value == pytest.approx(0.5, abs=0.04)
    store.close()
