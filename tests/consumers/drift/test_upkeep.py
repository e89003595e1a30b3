"""Hourly sums of versions: counted as experiment cells are, up to date, and there when raw rows are gone."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from coalmine_consumers.aggregation.references import CAP_QUANTILE, TAIL_QUANTILE, Reference, References
from coalmine_consumers.drift import (
    DAY_GROUPS,
    ReferencePolicy,
    VersionKey,
    VersionSeries,
    Watched,
    read_watched,
    sum_up,
    version_series,
)
from coalmine_consumers.maintenance import RetentionPolicy, SealPolicy
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.recount import Batches, Relations, recount_cells
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, feedback, many_requests, reactions_to, request, score

KEY = VersionKey("refund", "1.0.0", "prod")
DAY = timedelta(days=1)
POLICY = ReferencePolicy(days=4, min_days=3, min_requests=50)
NOW = START + 8 * DAY
HOUR_NAME = "strftime(event_time, '%Y-%m-%d %H')"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


def sum_up_one(store: Store, key: VersionKey, policy: ReferencePolicy, now: datetime) -> Watched | None:
    return sum_up(store, [key], policy, now)[key]


def summed(store: Store, now: datetime = NOW, policy: ReferencePolicy = POLICY) -> Watched:
    found = sum_up_one(store, KEY, policy, now)
    assert found is not None
    return found


def kept(store: Store, watched: Watched) -> VersionSeries:
    return version_series(store.reader(), [watched])[0]


def requests_on(day: float, count: int, first: int = 0, **values: object) -> list[dict[str, object]]:
    at = START + day * DAY
    return [request(first + n, at + timedelta(minutes=n % 50), **values) for n in range(count)]


def life(days: range, **values: object) -> list[dict[str, object]]:
    """Twenty requests a day; the first day is no whole one, because it begins at eight."""
    return [row for day in days for row in requests_on(day, 20, 100 * day, **values)]


def test_every_metric_is_what_experiment_cells_count(store: Store) -> None:
    table = many_requests(6_000, hours=24 * 5, experiment=None)
    everything = reactions_to(table)
    store.commit(Feed().batch(table, *everything))
    watched = summed(store)
    found = kept(store, watched)
    thresholds = watched.thresholds
    view = (
        "CREATE TEMP VIEW mine AS SELECT * REPLACE ('e' AS experiment, 0 AS allocation_epoch, "
        f"{HOUR_NAME} AS variant) FROM requests "
        "WHERE prompt = 'refund' AND version = '1.0.0' AND environment = 'prod'"
    )
    fixed = (
        ("cost_nano_usd", CAP_QUANTILE, thresholds.cost_cap),
        ("latency_ms", CAP_QUANTILE, thresholds.latency_cap),
        ("latency_ms", TAIL_QUANTILE, thresholds.latency_tail),
        ("time_to_first_token_ms", TAIL_QUANTILE, thresholds.time_to_first_token_tail),
    )
    references = References(
        (
            Reference("e", metric, quantile, value, 0, "before", 0, -1, NOW)
            for metric, quantile, value in fixed
        ),
        as_they_are=True,
    )
    with store.cursor() as cursor:
        cursor.execute(view).fetchall()
        counted = list(recount_cells(cursor, Relations(requests="mine"), Batches(), references))
    made = [each.tables["experiment_cells"] for each in counted if "experiment_cells" in each.tables]
    columns = ["metric", "variant", "unit_group", "sum_x", "sum_y"]
    cells = pa.concat_tables(each.select(columns) for each in made)
    groups = cells.group_by(["metric", "variant", "unit_group"]).aggregate(
        [("sum_x", "sum"), ("sum_y", "sum")]
    )
    assert len(found.hours) >= 14
    for metric, hours in found.hours.items():
        if metric == "requests":
            with store.cursor() as cursor:
                requests, units = cursor.sql(
                    f"SELECT count(*), count(DISTINCT (unit_id, {HOUR_NAME})) FROM requests "
                    "WHERE prompt = 'refund' AND version = '1.0.0' AND environment = 'prod'"
                ).fetchall()[0]
            assert (hours.y.sum(), hours.x.sum()) == (requests, units)
            continue
        mine = groups.filter(pa.compute.equal(groups["metric"], metric)).sort_by("variant").to_pylist()
        for place in (0, len(hours.hour) // 2, len(hours.hour) - 1):
            name = datetime.fromtimestamp(int(hours.hour[place]) * 3600, START.tzinfo).strftime("%Y-%m-%d %H")
            rows = [row for row in mine if row["variant"] == name and row["sum_x_sum"] > 0]
            x, y = (np.array([row[each] for row in rows]) for each in ("sum_x_sum", "sum_y_sum"))
            ratio = y.sum() / x.sum()
            assert hours.groups[place] == len(rows), metric
            assert (hours.x[place], hours.y[place]) == (pytest.approx(x.sum()), pytest.approx(y.sum())), (
                metric
            )
            residual = np.square(y - ratio * x).sum()
            assert hours.residual_ss[place] == pytest.approx(residual, rel=1e-9, abs=1e-12), metric
        days = found.days[metric]
        assert days.x.shape == (len(days.day), DAY_GROUPS)
        assert days.x.sum() == pytest.approx(hours.x.sum())
        assert days.y.sum() == pytest.approx(hours.y.sum())


def test_a_young_version_is_not_watched_yet(store: Store) -> None:
    store.commit(Feed().batch([*requests_on(0, 40), *requests_on(2, 40, 100)]))
    assert sum_up_one(store, KEY, POLICY, NOW) is None
    assert sum_up_one(store, VersionKey("refund", "9.0.0", "prod"), POLICY, NOW) is None
    assert read_watched(store.reader(), KEY) is None


def test_the_reference_is_frozen_once_it_is_complete_and_then_stays(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(life(range(5))))
    open_still = summed(store)
    assert (open_still.first_hour, open_still.reference_until) == (START, None)
    store.commit(feed.batch(life(range(5, 6))))
    frozen = summed(store)
    midnight = START.replace(hour=0)
    assert frozen.reference_until == midnight + 5 * DAY  # four whole days
    longer = ReferencePolicy(days=6, min_days=3, min_requests=50)
    assert summed(store, policy=longer) == frozen
    before = kept(store, frozen)
    store.commit(feed.batch([*requests_on(1, 30, 3_000), *requests_on(6, 30, 4_000)]))
    after = kept(store, summed(store))
    inside = int((frozen.reference_until - datetime.fromtimestamp(0, START.tzinfo)).total_seconds()) // 3600
    old, new = (each.hours["requests"] for each in (before, after))
    assert old.y[old.hour < inside].tolist() == new.y[new.hour < inside].tolist()
    assert new.y.sum() == old.y.sum() + 30


def test_a_reference_goes_on_until_it_has_enough_requests(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(life(range(6))))
    policy = ReferencePolicy(days=4, min_days=3, min_requests=110)
    assert summed(store, policy=policy).reference_until is None  # more of that day may be on its way
    store.commit(feed.batch(requests_on(6, 1, 3_000)))
    assert summed(store, policy=policy).reference_until == START.replace(hour=0) + 6 * DAY


def test_a_request_with_a_wrong_clock_is_no_reference(store: Store) -> None:
    store.commit(Feed().batch([*requests_on(-400, 1, 9_000), *life(range(4))]))
    watched = summed(store)
    assert watched.reference_until is None
    assert kept(store, watched).hours["requests"].y.sum() == 81


def test_late_feedback_and_scores_change_the_hour_of_their_request(store: Store) -> None:
    feed = Feed()
    about = requests_on(5, 1, 500)[0]
    store.commit(feed.batch([*life(range(5)), about]))
    watched = summed(store)
    assert "quality" not in kept(store, watched).hours
    at = about["event_time"]
    assert isinstance(at, datetime)
    store.commit(
        feed.batch(
            feedback=[feedback(1, about, at + 2 * DAY, thumbs="up", correction="no")],
            scores=[score(1, about, 0.25, at=at + 2 * DAY)],
        )
    )
    found = kept(store, summed(store))
    assert found.hours["quality"].y.tolist() == [0.25]
    assert found.hours["quality"].hour.tolist() == [int(at.timestamp()) // 3600]
    assert found.hours["thumbs_up"].x.tolist() == [1.0]
    corrections = found.hours["corrections"]
    assert corrections.y[corrections.hour == int(at.timestamp()) // 3600].tolist() == [1.0]


def test_batch_by_batch_gives_what_all_at_once_gives(tmp_path: Path) -> None:
    table = many_requests(3_000, hours=24 * 6, experiment=None)
    found = []
    for parts in (1, 5):
        store = Store.open(tmp_path / str(parts))
        feed = Feed()
        size = -(-table.num_rows // parts)
        watched = None
        for place in range(parts):
            store.commit(feed.batch(table.slice(place * size, size)))
            watched = sum_up_one(store, KEY, POLICY, NOW)
        assert watched is not None
        found.append(kept(store, watched))
        store.close()
    once, often = found
    # Thresholds are taken as soon as they can be: those of the first batches are the same here or not.
    for metric in ("errors", "requests", "grounding", "output_tokens"):
        one, other = once.hours[metric], often.hours[metric]
        assert one.hour.tolist() == other.hour.tolist()
        for name in ("x", "y", "residual_ss"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9, abs=1e-9)
        assert once.days[metric].y == pytest.approx(often.days[metric].y)
    assert once.models == often.models


def test_sums_stay_when_their_raw_rows_expire(store: Store) -> None:
    feed = Feed()
    was = life(range(5), response_model="m-1")
    store.commit(feed.batch([*was, *requests_on(5, 10, 3_000, response_model="m-2")]))
    before = kept(store, summed(store))
    for event in INGESTED_EVENTS:
        seal(store, event, SealPolicy(max_rows=1, min_day_rows=1), NOW)
    assert expire(store, RetentionPolicy(raw_days=4), NOW).rows == 80
    late = [*requests_on(0, 5, 9_000), *requests_on(6, 5, 9_500)]
    store.commit(feed.batch(late))
    after = kept(store, summed(store))
    assert after.watched.first_hour == START
    assert after.hours["requests"].y.sum() == before.hours["requests"].y.sum() + 5
    assert [each.response_model for each in after.models] == ["m-1", "m-2"]
    assert after.models[0].share_lately == 0.0


def test_a_name_that_a_built_in_measure_has_is_kept_apart(store: Store) -> None:
    store.commit(Feed().batch(life(range(5), metrics=[{"key": "errors", "value": 7.0}])))
    found = kept(store, summed(store))
    assert found.hours["custom.errors"].y.sum() == 7.0 * 100
    assert found.hours["errors"].y.sum() == 0


def test_thresholds_need_some_values(store: Store) -> None:
    store.commit(Feed().batch(life(range(5))))
    watched = summed(store)
    assert watched.thresholds.latency_cap is None  # 80 in the first whole days
    assert "latency_ms.capped" not in kept(store, watched).hours
