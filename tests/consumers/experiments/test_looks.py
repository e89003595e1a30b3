"""Looks at an experiment, as they are read again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_consumers.experiments import Look, append_look, looks
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    with store.transaction() as connection:
        for number in range(10):
            for experiment in ("exp", "other"):
                at = START + timedelta(minutes=number)
                append_look(connection, Look(0, experiment, at, number, number, "{}"))
    yield store
    store.close()


def minutes(found: list[Look]) -> list[int]:
    return [look.through_ingest_id for look in found]


@pytest.mark.parametrize(("limit", "expected"), [(3, [7, 8, 9]), (10, [*range(10)]), (99, [*range(10)])])
def test_the_latest_come_oldest_first(store: Store, limit: int, expected: list[int]) -> None:
    assert minutes(looks(store.reader(), "exp", limit=limit)) == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1, [9]), (3, [1, 5, 9]), (4, [0, 3, 6, 9]), (10, [*range(10)])],
)
def test_a_few_may_stand_for_all_of_them(store: Store, limit: int, expected: list[int]) -> None:
    assert minutes(looks(store.reader(), "exp", limit=limit, spread=True)) == expected
    since = START + timedelta(minutes=8)
    assert minutes(looks(store.reader(), "exp", limit=limit, since=since, spread=True))[-1] == 9
