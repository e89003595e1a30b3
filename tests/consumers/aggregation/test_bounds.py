"""Values of a name count within bounds, so that one absurd value does not decide."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from coalmine_consumers.aggregation.bounds import FIRST_VALUES, Bound, read_bounds
from coalmine_consumers.audit import audit
from coalmine_consumers.experiments import experiment_sums
from coalmine_consumers.maintenance import rebuild
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.ranges import DEFAULT_RANGES, Range
from tests.support.data.store_feed import Feed, Row, request, score

STARS = StoreSettings(ranges={**DEFAULT_RANGES, "stars": Range(0, 10), "requests": Range(-1, 1)}, threads=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store", STARS)
    yield store
    store.close()


def measured(first: int, name: str, *values: float) -> list[Row]:
    return [
        request(
            first + number,
            experiment="exp",
            allocation_epoch=1,
            variant=("control", "treatment")[number % 2],
            unit_id=f"user-{number}",
            metrics=[{"key": name, "value": value}],
        )
        for number, value in enumerate(values)
    ]


def bounds(store: Store) -> dict[str, Bound]:
    with store.cursor() as cursor:
        return {each.metric: each for each in read_bounds(cursor)}


def sums(store: Store) -> dict[str, tuple[float, float]]:
    found = experiment_sums(store.reader(), "exp")
    assert found is not None
    return {
        name: (float(found.x[at].sum()), float(found.y[at].sum())) for at, name in enumerate(found.metrics)
    }


def binary(store: Store) -> frozenset[str]:
    found = experiment_sums(store.reader(), "exp")
    assert found is not None
    return found.binary


@pytest.mark.parametrize("absurd", [1e15, -1e15])
def test_one_absurd_value_counts_as_much_as_a_bound(store: Store, absurd: float) -> None:
    feed = Feed()
    usual = np.linspace(10, 20, FIRST_VALUES)
    store.commit(feed.batch(measured(0, "words", *usual[:-1], absurd)))
    found = bounds(store)["words"]
    assert (found.basis, found.since_ingest_id) == ("first values", 1)
    assert found.low is not None
    assert found.high is not None
    assert 9.9 < found.low < 10.2
    assert 19.8 < found.high < 20.1
    assert "words" not in sums(store)
    store.commit(feed.batch(measured(1_000, "words", 15, 15, absurd)))
    assert sums(store)["words"] == (3, 30 + (found.high if absurd > 0 else found.low))
    assert bounds(store)["words"] == found


def test_first_values_add_up_over_batches_and_scores(store: Store) -> None:
    feed = Feed()
    about = measured(0, "words", *range(FIRST_VALUES // 2))
    store.commit(feed.batch(about))
    assert bounds(store)["words"].low is None
    scores = [score(5_000 + number, row, 5.0, "words") for number, row in enumerate(about)]
    store.commit(feed.batch(scores=scores))
    assert bounds(store)["words"].since_ingest_id == 2
    assert store.reader().rows("SELECT * FROM experiment_first_values") == []
    store.commit(feed.batch(scores=[score(9_000, about[0], 5.0, "words")]))
    assert sums(store)["words"] == (1, 5)
    rebuild(store)
    assert sums(store)["words"] == (1, 5)
    report = audit(store, deep=True)
    assert report.ok, report.missing


def test_a_declared_range_needs_no_first_values(store: Store) -> None:
    store.commit(Feed().batch(measured(0, "stars", 3, 9.5)))
    assert sums(store)["stars"] == (2, 12.5)
    assert bounds(store)["stars"].basis == "declared"


def test_a_range_declared_for_a_name_of_ours_is_that_of_the_custom_one(store: Store) -> None:
    store.commit(Feed().batch(measured(0, "requests", 0.5)))
    assert sums(store)["custom.requests"] == (1, 0.5)


NEARLY_THE_SAME: dict[str, tuple[list[float], list[float], float]] = {
    "a rare pass": ([0.0] * 199 + [1.0], [1, 1, 0], 2),
    "no pass yet": ([0.0] * 200, [1, 1, 0], 2),
    # Percentiles would leave nothing.
    "nearly always none": ([0.0] * 197 + [1.0, 4.0, 9.0], [4, 9, 0], 8),
    "always seven": ([7.0] * 200, [7, 9, 1e15], 30),
    "one absurd": ([0.0] * 199 + [1e15], [3, 0, -1e15], 0),
}


def test_values_that_are_nearly_always_the_same_keep_what_is_rare(store: Store) -> None:
    feed, first, later = Feed(), [], []
    for at, (name, (begins, goes_on, _)) in enumerate(NEARLY_THE_SAME.items()):
        first += measured(2_000 * at, name, *begins)
        later += measured(2_000 * at + 1_000, name, *goes_on)
    store.commit(feed.batch(first))
    store.commit(feed.batch(later))
    found = sums(store)
    assert {name: found[name] for name in NEARLY_THE_SAME} == {
        name: (len(goes_on), total) for name, (_, goes_on, total) in NEARLY_THE_SAME.items()
    }


def test_names_of_which_all_values_are_0_or_1_are_rates(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(measured(0, "quality", 1, 0, 1)))
    store.commit(feed.batch(measured(1_000, "stars", 1, 0, 1)))
    assert binary(store) == {"quality", "stars"}
    store.commit(feed.batch(measured(2_000, "stars", 0.5)))
    assert binary(store) == {"quality"}
    assert not any("not_binary" in name for name in sums(store))
    rebuild(store)
    assert binary(store) == {"quality"}


def test_a_name_that_begins_like_one_of_ours_is_kept_apart(tmp_path: Path) -> None:
    settings = StoreSettings(ranges={name: Range(0, 1) for name in ("pass", "not_binary.pass")})
    store = Store.open(tmp_path / "store", settings)
    store.commit(Feed().batch([*measured(0, "pass", 1, 0), *measured(100, "not_binary.pass", 1.0)]))
    assert binary(store) == {"pass", "custom.not_binary.pass"}
    store.close()


def test_each_name_of_each_experiment_has_first_values_of_its_own(store: Store) -> None:
    feed, half = Feed(), FIRST_VALUES // 2
    around = {
        ("exp", "words"): 100,
        ("exp", "letters"): 500,
        ("other", "words"): 900,
        ("other", "lines"): 3,
    }
    for part in range(2):
        rows = [
            {**row, "experiment": experiment}
            for place, ((experiment, name), value) in enumerate(around.items())
            for row in measured(10_000 * part + 1_000 * place, name, *np.linspace(value, value + 1, half))
        ]
        store.commit(feed.batch([rows[(7 * at) % len(rows)] for at in range(len(rows))]))  # in no order
        kept = "SELECT experiment, metric, count(*) AS n FROM experiment_first_values GROUP BY ALL"
        found = {(row["experiment"], row["metric"]): row["n"] for row in store.reader().rows(kept)}
        assert found == (dict.fromkeys(around, half) if part == 0 else {})
    with store.cursor() as cursor:
        bounds = {(each.experiment, each.metric): each for each in read_bounds(cursor)}
    assert bounds.keys() == around.keys()
    for key, value in around.items():
        low, high = bounds[key].low, bounds[key].high
        assert low is not None and high is not None
        assert value <= low < value + 0.1 < value + 0.9 < high <= value + 1
