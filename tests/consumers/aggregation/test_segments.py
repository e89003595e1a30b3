"""Experiments are counted by declared segments: in commits, rebuilds, audits and after retention alike."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coalmine_consumers.aggregation.segments import OTHER
from coalmine_consumers.audit import audit
from coalmine_consumers.maintenance import RetentionPolicy, SealPolicy, rebuild
from coalmine_consumers.maintenance.compact import fold
from coalmine_consumers.maintenance.expire import expire
from coalmine_consumers.maintenance.seal import seal
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.declared_segments import MOST_VALUES
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import START, Feed, Row, feedback, request, score
from tests.support.oracles.store_state import assert_same, count, folded, freeze_windows, query

LATER = START + timedelta(days=9)
Cells = dict[tuple[str, str, str], tuple[float, float]]


def opened(path: Path, *keys: str) -> Store:
    return Store.open(path, StoreSettings(threads=1, segments=keys))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(opened(tmp_path / "store", "plan", "language")) as store:
        yield store


def inside(number: int, *segments: tuple[str, str], **values: Any) -> Row:
    arm = {"experiment": "exp", "allocation_epoch": 1, "variant": "control"}
    return request(number, START + timedelta(seconds=number), **arm, segments=list(segments), **values)


def cells(store: Store) -> Cells:
    rows = query(
        store,
        "SELECT segment_key, segment_value, metric, sum(sum_x), sum(sum_y) "
        "FROM experiment_segment_cells GROUP BY ALL",
    )
    return {(key, value, metric): (x, y) for key, value, metric, x, y in rows if x or y}


def requests_by(store: Store, key: str) -> dict[str, float]:
    return {
        value: x
        for (name, value, metric), (x, _) in cells(store).items()
        if (name, metric) == (key, "requests")
    }


def assert_the_same_again(store: Store) -> None:
    """However it comes to be: folded, rebuilt, recounted, and once raw rows are gone."""
    expected = folded(store, "experiment_segment_cells")
    fold(store, "experiment_segment_cells", rows_at_once=100)
    assert_same(folded(store, "experiment_segment_cells"), expected)
    rebuild(store)
    assert_same(folded(store, "experiment_segment_cells"), expected)
    report = audit(store, deep=True)
    assert report.ok, report.missing
    for event in INGESTED_EVENTS:
        seal(store, event, SealPolicy(max_rows=1, min_day_rows=1), START)
    assert expire(store, RetentionPolicy(raw_days=2), LATER).rows
    rebuild(store)
    assert_same(folded(store, "experiment_segment_cells"), expected)
    report = audit(store, deep=True)
    assert report.ok, report.missing


def test_a_request_counts_in_each_of_its_segments(store: Store) -> None:
    freeze_windows(store, "exp")
    both = inside(1, ("plan", "pro"), ("language", "de"), error_type="timeout")
    rows = [both, inside(2, ("plan", "pro"), ("undeclared", "x")), inside(3, ("language", "en")), inside(4)]
    store.commit(Feed().batch([*rows, request(5, segments=[("plan", "pro")])]))  # the last in no experiment
    found = cells(store)
    assert requests_by(store, "plan") == {"pro": 2}
    assert requests_by(store, "language") == {"de": 1, "en": 1}
    assert (found["plan", "pro", "errors"], found["language", "de", "errors"]) == ((2, 1), (1, 1))
    assert found["plan", "pro", "latency_ms"] == (2, 203)
    assert {key for key, _, _ in found} == {"plan", "language"}
    assert_the_same_again(store)


@pytest.mark.parametrize("keys", [("plan",), ("plan", "language"), ("unheard",)])
def test_cells_of_all_requests_are_the_same_with_declared_segments(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    segments = [(), (("plan", "pro"),), (("plan", "free"), ("language", "de"))]
    rows = [
        inside(
            number,
            *segments[number % 3],
            unit_id=f"user-{number % 11}",
            error_type="timeout" if number % 7 == 0 else None,
            cost_nano_usd=None if number % 5 == 0 else number,
            metrics=[("quality", number / 7)] if number % 2 else [],
        )
        for number in range(60)
    ]
    with (
        closing(opened(tmp_path / "apart", *keys)) as apart,
        closing(opened(tmp_path / "whole")) as whole,
    ):
        for each in (apart, whole):
            freeze_windows(each, "exp")
            each.commit(Feed().batch(rows))
        assert_same(folded(apart, "experiment_cells"), folded(whole, "experiment_cells"))
        assert folded(apart, "experiment_cells")


def test_what_is_said_later_goes_to_the_segments_of_its_request(store: Store) -> None:
    freeze_windows(store, "exp")
    about, other = inside(1, ("plan", "pro")), inside(2, ("plan", "free"))
    feed = Feed()
    store.commit(feed.batch([about], [feedback(3, other, thumbs="up", unit_id="u")]))
    store.commit(feed.batch([], [feedback(4, about, thumbs="up", unit_id="u")], [score(5, about, 0.5)]))
    store.commit(feed.batch([other], scores=[score(6, other, 0.25)]))
    later = about["event_time"] + timedelta(minutes=6)
    store.commit(feed.batch([], [feedback(7, about, later, thumbs="down", unit_id="u")]))  # the last word
    found = cells(store)
    assert (found["plan", "pro", "thumbs_up"], found["plan", "free", "thumbs_up"]) == ((1, 0), (1, 1))
    assert (found["plan", "pro", "quality"], found["plan", "free", "quality"]) == ((1, 0.5), (1, 0.25))
    assert found["plan", "pro", "feedback"] == found["plan", "free", "feedback"] == (1, 1)
    assert_the_same_again(store)


def test_an_experiment_tells_its_first_values_apart(store: Store) -> None:
    feed = Feed()
    names = [f"l{number}" for number in range(MOST_VALUES + 5)]
    usual = names[-1]  # the most frequent of a batch come first

    def batch(first: int, values: Sequence[str]) -> None:
        store.commit(feed.batch([inside(first + at, ("language", value)) for at, value in enumerate(values)]))

    batch(0, [*names[:-2], usual, usual])
    batch(100, [*names, "new"])
    found = requests_by(store, "language")
    assert len(found) == MOST_VALUES + 1
    assert (found[usual], found["l0"], "new" in found) == (3, 2, False)
    assert sum(found.values()) == count(store, "requests")
    assert found[OTHER] == sum(found.values()) - sum(x for name, x in found.items() if name != OTHER)
    # Another experiment has room of its own.
    store.commit(feed.batch([inside(200, ("language", "new")) | {"experiment": "second"}]))
    assert requests_by(store, "language")["new"] == 1
    assert_the_same_again(store)


def test_a_key_counts_while_it_is_declared(tmp_path: Path) -> None:
    path, feed = tmp_path / "store", Feed()
    rows = [inside(number, ("plan", "pro")) for number in range(4)]
    for keys, row, expected in (
        ((), rows[0], {}),
        (("plan",), rows[1], {"pro": 1}),
        (("language",), rows[2], {"pro": 1}),
        (("plan", "language"), rows[3], {"pro": 2}),
    ):
        with closing(opened(path, *keys)) as store:
            if not keys:
                freeze_windows(store, "exp")
            store.commit(feed.batch([row]))
            assert requests_by(store, "plan") == expected
    with closing(opened(path)) as store:
        said = [feedback(10 + at, row, thumbs="up") for at, row in enumerate(rows)]
        store.commit(feed.batch([], said))  # of requests that were counted then
        assert cells(store)["plan", "pro", "thumbs_up"] == (2, 2)
        assert_the_same_again(store)


def test_without_a_declared_key_there_is_nothing(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "store")) as store:
        store.commit(Feed().batch([inside(1, ("plan", "pro"))]))
        tables = ("segment_keys", "experiment_segment_values", "experiment_segment_cells")
        assert [count(store, table) for table in tables] == [0, 0, 0]
        assert_the_same_again(store)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (("a", "b", "c", "d", "e"), "segments has 5 keys, a, b, c, d, e: keep at most 4"),
        (("a", "b", "a"), "segments has 'a' twice: name each key once"),
        (("",), "segments has '': give keys of requests' segments"),
    ],
)
def test_keys_that_cannot_be_declared_are_refused(tmp_path: Path, keys: tuple[str, ...], says: str) -> None:
    with pytest.raises(InvalidParameter, match=says):
        opened(tmp_path / "store", *keys)
