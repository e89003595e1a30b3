from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.errors import PositionConflict
from coalmine_consumers.raw import Gap, IngestedEvent, TopicPartition
from coalmine_consumers.store import EventCounts, Store
from coalmine_schemas.identifiers import unit_group
from tests.support.data.store_feed import (
    PARTITION,
    START,
    Feed,
    Row,
    dead_letter,
    feedback,
    many_requests,
    request,
    score,
    table,
)

REQUESTS = [request(number) for number in range(30)]
FEEDBACK = [feedback(1000 + number, row, thumbs="up") for number, row in enumerate(REQUESTS)]
SCORES = [score(2000 + number, row, 0.5) for number, row in enumerate(REQUESTS)]


def rows_of(store: Store, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.reader().table(sql).to_pylist()
    return found


def single(store: Store, sql: str) -> Any:
    ((value,),) = [tuple(row.values()) for row in rows_of(store, sql)]
    return value


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All that is in the store."""
    names = rows_of(store, "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL")
    names += [{"table_name": event} for event in ("requests", "feedback", "scores")]
    return {row["table_name"]: rows_of(store, f"SELECT * FROM {row['table_name']}") for row in names}


def segment_files(store: Store) -> set[str]:
    return {
        path.relative_to(store.directory).as_posix()
        for path in (store.directory / "segments").rglob("*")
        if path.is_file()
    }


def test_the_result_and_the_ledger_say_what_became_of_each_event(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(REQUESTS[:3]))
    result = store.commit(
        feed.batch(
            REQUESTS[2:6] + REQUESTS[5:6],
            FEEDBACK[:2],
            dead_letters=[dead_letter(b"x"), dead_letter(b"y", "unroutable"), dead_letter(b"z", "scores")],
        )
    )
    assert (result.stored, result.duplicates, result.dead_lettered) == (5, 2, 3)
    assert result.by_event == {
        "requests": EventCounts(consumed=6, stored=3, duplicates=2, dead_lettered=1),
        "feedback": EventCounts(consumed=2, stored=2, duplicates=0, dead_lettered=0),
        "scores": EventCounts(consumed=1, stored=0, duplicates=0, dead_lettered=1),
        "unroutable": EventCounts(consumed=1, stored=0, duplicates=0, dead_lettered=1),
    }
    ledger = rows_of(store, "SELECT * EXCLUDE (committed_at) FROM batches WHERE ingest_id = 2 ORDER BY event")
    assert [row["event"] for row in ledger] == ["feedback", "requests", "scores", "unroutable"]
    for row in ledger:
        assert row["consumed"] == row["stored"] + row["duplicates"] + row["dead_lettered"]


@pytest.mark.parametrize("size", [3, 30], ids=["hot", "segment"])
@pytest.mark.parametrize(
    ("event", "rows", "id_name"),
    [
        ("requests", REQUESTS, "request_id"),
        ("feedback", FEEDBACK, "feedback_id"),
        ("scores", SCORES, "score_id"),
    ],
)
def test_an_event_is_stored_once_however_often_it_comes(
    store: Store, event: IngestedEvent, rows: list[Row], id_name: str, size: int
) -> None:
    feed = Feed()

    def batch(events: list[Row]) -> DecodedBatch:
        return feed.batch(
            requests=events if event == "requests" else (),
            feedback=events if event == "feedback" else (),
            scores=events if event == "scores" else (),
        )

    first = store.commit(batch(rows[:size] + rows[:1]))
    assert (first.stored, first.duplicates) == (size, 1)
    again = store.commit(batch(list(reversed(rows[:size]))))
    assert (again.stored, again.duplicates) == (0, size)
    mixed = store.commit(batch([rows[size - 1], {**rows[0], id_name: ANOTHER_ID}]))
    assert (mixed.stored, mixed.duplicates) == (1, 1)
    ids = [str(row[id_name]) for row in rows_of(store, f"SELECT {id_name} FROM {event}")]
    assert sorted(ids) == sorted([row[id_name] for row in rows[:size]] + [ANOTHER_ID])


ANOTHER_ID = "019cd6c2-8c00-7000-8000-00000000ffff"


@pytest.mark.parametrize("size", [4, 400], ids=["hot", "segment"])
def test_raw_rows_come_back_as_they_went_in(store: Store, size: int) -> None:
    sent = many_requests(size)
    texts = request(99_999, START, input_text="ä\x00\n" * 1000, output_text="", label="latest", trace_id="t")
    store.commit(Feed().batch(sent))
    store.commit(Feed(offset=size).batch([texts]))
    ours = "ingest_id, ingested_at, cost_uncached_nano_usd"
    stored = rows_of(store, f"SELECT * EXCLUDE ({ours}) FROM requests")
    found = {row["request_id"]: row for row in stored}
    expected = [*sent.to_pylist(), {**dict.fromkeys(sent.schema.names), **texts}]
    assert found == {row["request_id"]: row for row in expected}


def test_a_large_batch_becomes_one_segment_per_day_and_stragglers_stay_hot(store: Store) -> None:
    yesterday = [request(100 + number, START - timedelta(days=1)) for number in range(5)]
    long_ago = [request(200, START - timedelta(days=40))]
    store.commit(Feed().batch(REQUESTS + yesterday + long_ago))
    segments = rows_of(store, "SELECT * FROM segments ORDER BY day")
    assert [(str(row["day"]), row["rows"]) for row in segments] == [("2026-03-09", 5), ("2026-03-10", 30)]
    assert segment_files(store) == {row["path"] for row in segments}
    assert single(store, "SELECT count(*) FROM requests_hot") == 1
    assert single(store, "SELECT count(DISTINCT request_id) FROM requests") == 36
    for row in segments:
        mine = REQUESTS if row["rows"] == 30 else yesterday
        assert row["min_id"] == min(each["request_id"] for each in mine)
        assert row["max_id"] == max(each["request_id"] for each in mine)
        assert row["min_event_time"] == row["max_event_time"] == mine[0]["event_time"]
        assert row["size_bytes"] == (store.directory / row["path"]).stat().st_size


def test_a_batch_that_does_not_go_on_where_the_store_stands_is_refused(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(REQUESTS[:3]))
    before = everything(store)
    for offset in (0, 2, 4):
        with pytest.raises(PositionConflict) as refused:
            store.commit(Feed(offset=offset).batch(REQUESTS[5:]))
        assert (refused.value.partition, refused.value.start, refused.value.stored) == (PARTITION, offset, 3)
    assert everything(store) == before
    assert segment_files(store) == set()
    store.commit(feed.batch(REQUESTS[3:4]))
    assert store.positions() == {PARTITION: 4}


def _file_instead_of_a_folder(store: Store) -> Callable[[], None]:
    """Segments cannot be written: something else has the name of their day's folder."""
    obstacle = store.directory / "segments" / "requests" / "day=2026-03-10"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("in the way")
    return obstacle.unlink


def test_a_segment_that_cannot_be_written_leaves_nothing_behind(store: Store) -> None:
    remove_obstacle = _file_instead_of_a_folder(store)
    batch = Feed().batch(REQUESTS, FEEDBACK, SCORES, [dead_letter(b"x")])
    before = everything(store)
    with pytest.raises(OSError):
        store.commit(batch)
    assert everything(store) == before
    remove_obstacle()
    assert segment_files(store) == set()
    assert store.commit(batch).stored == 90
    assert single(store, "SELECT sum(requests) FROM rollups WHERE resolution = 'day'") == 30


def test_an_error_late_in_a_batch_takes_back_its_segments_too(store: Store) -> None:
    broken = [dead_letter(b"x", dead_letter_id="this is no id")]
    batch = Feed().batch(REQUESTS, FEEDBACK, dead_letters=broken)
    before = everything(store)
    with pytest.raises(ValueError):
        store.commit(batch)
    assert everything(store) == before
    assert segment_files(store) == set()
    assert store.commit(replace(batch, dead_letters=[dead_letter(b"x")])).ingest_id == 1


def test_an_error_in_sql_is_told_as_it_is_and_the_store_goes_on(store: Store) -> None:
    rows = table("requests", REQUESTS[:2])
    place = rows.column_names.index("unit_id")
    broken = rows.set_column(place, pa.field("unit_id", pa.string()), pa.nulls(2, pa.string()))
    batch = Feed().batch(broken)
    before = everything(store)
    for _ in range(2):
        with pytest.raises(duckdb.ConstraintException, match="unit_id"):
            store.commit(batch)
    assert everything(store) == before
    assert store.commit(replace(batch, tables={"requests": rows})).stored == 2


def test_dead_letters_keep_every_byte(store: Store) -> None:
    payloads = [b"", bytes(range(256)), b"\x00" * 5_000_000]
    letters = [dead_letter(payload, key=payload[:3] or None, source_offset=7) for payload in payloads]
    letters.append(dead_letter(b"late", source_timestamp=START, schema_ref="id:7", stage="decode"))
    store.commit(Feed().batch(dead_letters=letters))
    found = rows_of(store, "SELECT * FROM dead_letters")
    assert [row["payload"] for row in found] == [*payloads, b"late"]
    assert [row["key"] for row in found] == [None, b"\x00\x01\x02", b"\x00" * 3, None]
    assert {row["status"] for row in found} == {"open"}
    assert found[-1]["source_timestamp"] == START
    assert [row["dead_letter_id"] for row in found] == [letter.dead_letter_id for letter in letters]


def test_gaps_are_recorded_and_positions_move_past_them(store: Store) -> None:
    gap = Gap("coalmine.mixed", "0", 3, 10, datetime.now(UTC), "expired")
    feed = Feed()
    store.commit(feed.batch(REQUESTS[:3]))
    store.commit(feed.batch(gaps=[gap]))
    (found,) = rows_of(store, "SELECT * EXCLUDE (ingest_id) FROM gaps")
    assert found == {name: getattr(gap, name) for name in found}
    assert store.positions() == {PARTITION: 10}


def test_retired_partitions_are_forgotten_but_not_what_they_held(store: Store) -> None:
    files = [TopicPartition("spool", f"{name}.avro") for name in ("a", "b", "c")]
    empty = Feed().batch()
    for number, file in enumerate(files):
        store.commit(replace(empty, starts={file: 5}, positions={file: 7}))
        store.commit(replace(empty, starts={file: 7}, positions={file: 10 + number}))
    store.commit(replace(empty, starts={}, positions={}, retired=files[:2]))
    assert store.positions() == {files[2]: 12}
    assert rows_of(store, "SELECT topic, partitions, consumed FROM retired_positions") == [
        {"topic": "spool", "partitions": 2, "consumed": 5 + 6}
    ]


def test_times_far_from_now_are_stored_as_they_say_and_those_ahead_are_counted(store: Store) -> None:
    now = datetime.now(UTC)
    times = [now - timedelta(days=31), now, now + timedelta(minutes=4), now + timedelta(days=2)]
    rows = [request(number, at) for number, at in enumerate(times)]
    counts = store.commit(Feed().batch(rows)).by_event["requests"]
    assert (counts.stored, counts.ahead_of_clock) == (4, 1)
    found = rows_of(store, "SELECT event_time FROM requests ORDER BY event_time")
    assert [row["event_time"] for row in found] == times
    assert single(store, "SELECT count(DISTINCT bucket_start) FROM rollups WHERE resolution = 'day'") >= 3


def test_absurd_numbers_neither_stop_ingest_nor_spoil_other_measures(store: Store) -> None:
    absurd = [
        request(
            number,
            input_tokens=2**63 - 1,
            cost_nano_usd=2**63 - 1,
            latency_ms=1.7e308,
            time_to_first_token_ms=5e-324,
        )
        for number in range(3)
    ]
    store.commit(
        Feed().batch([*absurd, request(9, latency_ms=1.0, metrics=[{"key": "m", "value": -1.7e308}])])
    )
    (day,) = rows_of(store, "SELECT * FROM rollups WHERE resolution = 'day'")
    assert day["input_tokens"] == day["cost_nano_usd"] == 3 * (2**63 - 1)
    assert day["requests"] == 4
    assert 0 < day["latency_mean"] < float("inf")
    assert 0 < day["latency_m2"] < float("inf")


def test_requests_outside_experiments_make_no_cells(store: Store) -> None:
    store.commit(Feed().batch(REQUESTS, FEEDBACK, SCORES))
    assert single(store, "SELECT count(*) FROM experiment_cells") == 0
    assert single(store, "SELECT count(*) FROM experiment_units") == 0


def test_a_batch_without_messages_still_moves_positions(store: Store) -> None:
    batch = DecodedBatch({}, [], {}, {PARTITION: 0}, {PARTITION: 41})
    result = store.commit(batch)
    assert (result.stored, result.duplicates, result.dead_lettered) == (0, 0, 0)
    assert store.positions() == {PARTITION: 41}


def test_ingest_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    feed = Feed()
    store = Store.open(tmp_path)
    ids = [store.commit(feed.batch(REQUESTS[number : number + 1])).ingest_id for number in range(2)]
    store.close()
    store = Store.open(tmp_path)
    ids.append(store.commit(feed.batch(REQUESTS[5:6])).ingest_id)
    assert ids == [1, 2, 3]
    assert single(store, "SELECT count(DISTINCT ingest_id) FROM requests") == 3
    store.close()


def test_groups_of_units_are_computed_whatever_an_event_claims(store: Store) -> None:
    claimed = [
        request(number, unit_id="one", unit_group=number, experiment="exp", variant="a")
        for number in range(256)
    ]
    store.commit(Feed().batch(claimed))
    group = unit_group("one")
    assert rows_of(store, "SELECT DISTINCT unit_group FROM requests") == [{"unit_group": group}]
    for counted in ("experiment_cells", "experiment_units"):
        assert single(store, f"SELECT DISTINCT unit_group FROM {counted}") == group
