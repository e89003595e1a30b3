"""However many names strangers make up, a store learns a bounded number of them a day, and says so."""

import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from coalmine_consumers.queries import ingest_health, versions
from coalmine_consumers.store import Store, StoreSettings
from coalmine_consumers.store.names import OTHER
from tests.support.data.store_feed import START, Feed, request, score


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path, StoreSettings(names_per_day=3))) as store:
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
        for number in range(20_000)
    ]
    batch = feed.batch(rows)
    with closing(Store.open(tmp_path)) as store:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        store.commit(batch)
        page = versions(store.reader(), limit=100)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 100
        assert (len(page.items), page.next_cursor is None) == (100, False)
        assert len(names(store, "prompt", "rollups")) == StoreSettings().names_per_day + 1
