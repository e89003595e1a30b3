"""However many names strangers make up, a store learns a bounded number of them a day, and says so."""

import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from coalmine_consumers.aggregation.segments import OTHER
from coalmine_consumers.queries import ingest_health, versions
from coalmine_consumers.store import Store, StoreSettings
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, request, score


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path, StoreSettings(names_per_day=3, names_per_app=3))) as store:
        yield store


def names(store: Store, column: str, table: str = "requests") -> dict[str, int]:
    rows = store.reader().rows(f"SELECT {column} AS name, count(*) AS n FROM {table} GROUP BY ALL")
    return {row["name"]: row["n"] for row in rows}


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("prompt", "prompt"),
        ("app", "app"),
        ("environment", "environment"),
        ("variant", "variant"),
        ("experiment", "experiment"),
        ("request_model", "model"),
        ("response_model", "model"),
        ("version", "version"),
    ],
)
def test_names_beyond_the_days_number_are_stored_as_other_and_counted(
    small: Store, column: str, kind: str
) -> None:
    feed = Feed()
    changed: list[dict[str, Any]] = [{column: f"n{number}"} for number in range(9)]
    rows = [request(number, **values) for number, values in enumerate(changed)]
    small.commit(feed.batch(rows[:2]))
    small.commit(feed.batch(rows[2:]))
    found = names(small, column)
    assert sum(found.values()) == 9
    assert {"n0", "n1"} < found.keys()
    assert found[OTHER] == 9 - (len(found) - 1)
    assert len(found) <= 4
    assert ingest_health(small.reader()).names_beyond_limit[kind] == found[OTHER]
    again = request(100, **changed[0])
    small.commit(feed.batch([again]))
    assert names(small, column)["n0"] == 2


def test_names_of_metrics_and_scores_are_bounded_together(small: Store) -> None:
    feed = Feed()
    about = request(0, metrics=[(f"m{number}", 1.0) for number in range(5)])
    small.commit(feed.batch([about]))
    small.commit(feed.batch(scores=[score(number, about, 1.0, f"s{number}") for number in range(4)]))
    found = names(small, "name", "rollup_metrics WHERE resolution = 'day'")
    assert len(found) == 4
    assert OTHER in found
    assert names(small, "name", "scores") == {OTHER: 4}


def test_very_many_names_cost_a_bounded_amount_of_work(tmp_path: Path) -> None:
    feed = Feed()
    rows = [
        request(number, START, prompt=f"p{number}", experiment=f"e{number}", metrics=[(f"m{number}", 1.0)])
        for number in range(size(3_000, 20_000))
    ]
    batch = feed.batch(rows)
    with closing(Store.open(tmp_path)) as store:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        store.commit(batch)
        page = versions(store.reader(), limit=100)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < size(6, 30)
        assert (len(page.items), page.next_cursor is None) == (100, False)
        assert len(names(store, "prompt", "rollups")) == StoreSettings().names_per_app + 1


def test_an_app_that_makes_up_names_leaves_the_others_theirs(tmp_path: Path) -> None:
    feed = Feed()
    noisy: list[dict[str, Any]] = [{"app": "a", "prompt": f"n{number}"} for number in range(50)]
    others: list[dict[str, Any]] = [
        {"app": app, "prompt": f"{app}{number}"} for app in "xyz" for number in "123"
    ]
    rows = [request(number, **values) for number, values in enumerate([*noisy, *others])]
    with closing(Store.open(tmp_path, StoreSettings(names_per_day=13, names_per_app=4))) as store:
        store.commit(feed.batch(rows[:30]))
        store.commit(feed.batch(rows[30:]))
        found = names(store, "prompt")
        assert found.pop(OTHER) == 46
        assert set(found) == {"n0", "n1", "n10", "n11", *(values["prompt"] for values in others)}


def test_within_a_batch_the_days_names_are_given_to_all_apps_by_turns(tmp_path: Path) -> None:
    feed = Feed()
    rows = [
        request(number, app="ab"[number // 10], prompt=name, metrics=[(name, 1.0)])
        for number in range(20)
        for name in [f"{'ab'[number // 10]}{number % 10}"]
    ]
    with closing(Store.open(tmp_path, StoreSettings(names_per_day=4, names_per_app=9))) as store:
        store.commit(feed.batch(rows))
        assert set(names(store, "prompt")) == {"a0", "a1", "b0", "b1", OTHER}
        metrics = names(store, "name", "rollup_metrics WHERE resolution = 'day'")
        assert set(metrics) == {"a0", "a1", "b0", "b1", OTHER}


def test_apps_that_are_one_too_many_share_the_room_of_one(tmp_path: Path) -> None:
    feed = Feed()
    known = [request(number, app=f"app{number}") for number in range(10)]
    made_up = [request(number, app=f"app{number}", prompt=f"p{number}") for number in range(10, 40)]
    with closing(Store.open(tmp_path, StoreSettings(names_per_day=10, names_per_app=2))) as store:
        store.commit(feed.batch(known))
        store.commit(feed.batch(made_up))
        assert names(store, "app")[OTHER] == 30
        assert names(store, "prompt") == {"refund": 10, "p10": 1, "p11": 1, OTHER: 28}


def test_what_was_one_apps_new_name_is_anothers_if_only_that_one_has_room(tmp_path: Path) -> None:
    feed = Feed()
    first = [request(number, app="a", prompt=f"n{number}") for number in range(5)]
    both = [request(number, app=app, prompt="shared") for number, app in enumerate("ab", 10)]
    with closing(Store.open(tmp_path, StoreSettings(names_per_day=100, names_per_app=2))) as store:
        store.commit(feed.batch(first))
        store.commit(feed.batch(both))
        assert names(store, "prompt")["shared"] == 2
