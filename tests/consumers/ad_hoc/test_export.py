"""Exports have the rows of the period, as other tools read them, without what is private."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from coalmine_consumers.ad_hoc import export
from coalmine_consumers.ad_hoc.export import DATABASE
from coalmine_consumers.results import ExportFormat
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import START, Feed, feedback, request, score

SMALL = StoreSettings(segment_min_rows=50, segment_min_day_rows=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """60 calls in files and 10 hot ones, over 70 hours."""
    store = Store.open(tmp_path / "store", SMALL)
    feed = Feed()
    calls = [
        request(number, START + number * HOUR, cost_nano_usd=1, input_text="secret words")
        for number in range(70)
    ]
    store.commit(
        feed.batch(calls[:60], [feedback(1, calls[0], comment="secret words")], [score(1, calls[0], 0.5)])
    )
    store.commit(feed.batch(calls[60:]))
    yield store
    store.close()


def counted(folder: Path, to: ExportFormat) -> dict[str, int]:
    """Requests and the costs of rollups by day, as another tool reads them."""
    if to == "duckdb":
        with duckdb.connect(folder / DATABASE, read_only=True) as opened:
            requests, rollups = (opened.sql(f"FROM {table}").pl() for table in ("requests", "rollups"))
    else:
        read = pl.read_parquet if to == "parquet" else pl.read_csv
        requests, rollups = (read(folder / f"{table}.{to}") for table in ("requests", "rollups"))
    days = rollups.filter(pl.col("resolution") == "day")
    assert "input_text" not in requests.columns
    assert requests["unit_id"].n_unique() == min(7, requests.height)
    return {"requests": requests.height, "rolled up": int(days["requests"].sum())}


@pytest.mark.parametrize("to", ["parquet", "duckdb", "csv"])
def test_every_row_is_written_once(store: Store, tmp_path: Path, to: ExportFormat) -> None:
    tables = export(store, tmp_path / "out", to)
    assert {each.table: each.rows for each in tables}["requests"] == 70
    assert counted(tmp_path / "out", to) == {"requests": 70, "rolled up": 70}
    for file in (tmp_path / "out").iterdir():
        assert b"secret words" not in file.read_bytes()
    store.commit(Feed(offset=72).batch([request(99)]))  # nothing is left behind that is in the way


def test_only_the_period_is_written(store: Store, tmp_path: Path) -> None:
    tables = export(store, tmp_path / "out", "csv", since=START + 5 * HOUR, until=START + 8 * HOUR)
    rows = {each.table: each.rows for each in tables}
    assert (rows["requests"], rows["feedback"]) == (3, 0)


def test_texts_and_users_are_written_where_that_is_asked_for(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out", "parquet", private=True)
    found = pl.read_parquet(tmp_path / "out" / "requests.parquet")
    assert found["input_text"].unique().to_list() == ["secret words"]
    assert set(found["unit_id"]) == {f"user-{number}" for number in range(7)}


def test_a_folder_that_exists_is_left_alone(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="exists: name a new folder"):
        export(store, tmp_path, "csv")
