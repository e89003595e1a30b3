"""How long the versions page's query takes as raw rows grow, beside the same figures from raw rows.

A store is filled through the real commit path, 100,000 requests with their feedback and scores at a time,
over a month of event time; between batches rollups are compacted and age as in a running server. At each
size two sides answer the same question, per prompt and version:

* versions: `coalmine_consumers.queries.versions`, which reads rollups, for the month and for a time that
  stays the same while the store grows;
* raw rows: one SQL statement over the `requests`, `feedback` and `scores` views, with exact quantiles.

That both give the same counts and sums (and quantiles within 1 %) is checked in the same run.

Run alone: `python -m benchmarks.queries [--rows 1000000 5000000 20000000] [--json]`.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.maintenance.compact import CompactionState, compact
from coalmine_consumers.maintenance.policy import AgeingPolicy, CompactionPolicy, RetentionPolicy
from coalmine_consumers.maintenance.rollup_retention import age
from coalmine_consumers.queries import Filters, timeseries, versions
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.results import VersionRow
from coalmine_consumers.store import Store, StoreSettings
from tests.support.data.store_feed import many_requests, reactions_to

BATCH_ROWS = 100_000
START = datetime(2026, 3, 1, tzinfo=UTC)
SPAN = timedelta(days=30)
"""Event time that all rows together span, however many they are at most."""
PARTITION = TopicPartition("coalmine.requests", "0")
LOOKS = 15

RAW_SQL = """
WITH reactions AS (
    SELECT request_id, count(*) AS feedback, count(*) FILTER (thumbs = 'up') AS thumbs_up
    FROM feedback
    GROUP BY request_id
),
judged AS (
    SELECT request_id, sum(value) AS quality_sum, count(*) AS quality_n
    FROM scores
    WHERE name = 'quality'
    GROUP BY request_id
)
SELECT
    prompt,
    version,
    count(*) AS requests,
    count(error_type) AS errors,
    sum(input_tokens)::BIGINT AS input_tokens,
    sum(output_tokens)::BIGINT AS output_tokens,
    sum(cost_nano_usd)::BIGINT AS cost_nano_usd,
    avg(latency_ms) AS latency_ms_mean,
    quantile_cont(latency_ms, 0.5) AS latency_ms_p50,
    quantile_cont(latency_ms, 0.95) AS latency_ms_p95,
    quantile_cont(time_to_first_token_ms, 0.95) AS time_to_first_token_ms_p95,
    sum(quality_sum) / sum(quality_n) AS quality_mean,
    sum(feedback)::BIGINT AS feedback,
    sum(thumbs_up)::BIGINT AS thumbs_up
FROM requests
LEFT JOIN reactions USING (request_id)
LEFT JOIN judged USING (request_id)
GROUP BY prompt, version
ORDER BY prompt, version
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What was measured at one size."""

    rows: int
    versions_ms: float
    """All of the month; median."""
    range_ms: float
    """The same time at every size, all that the smallest has from within its first hour on; median."""
    timeseries_ms: float
    """The month by the day; median."""
    raw_sql_ms: float
    commit_ms: float
    """Median of the commits up to this size."""


class Feed:
    """Batches of one drawn sample, moved through time, each with ids of its own."""

    def __init__(self, total_rows: int, start: datetime = START, *, offset: int = 0) -> None:
        self._random = np.random.default_rng(5)
        self._start = start
        self._batches = max(1, total_rows // BATCH_ROWS)
        hours = SPAN / self._batches / timedelta(hours=1)
        self._requests = many_requests(BATCH_ROWS, seed=5, start=start, hours=hours)
        self._feedback, self._scores = reactions_to(self._requests, seed=6, share=0.1)
        self._offset = offset
        # Which request each reaction is about, to follow it to its new id.
        place = {text: row for row, text in enumerate(self._requests["request_id"].to_pylist())}
        self._about = np.array([place[text] for text in self._feedback["request_id"].to_pylist()])

    def time_of(self, number: int) -> datetime:
        """When a batch begins, in event time."""
        return self._start + SPAN * number / self._batches

    def batch(self, number: int) -> DecodedBatch:
        """The batch of one stretch of the span."""
        shift = SPAN * number / self._batches
        ids = self._ids(self._requests, shift)
        about = ids.take(self._about)
        tables = {
            "requests": _moved(self._requests, shift, request_id=ids),
            "feedback": _moved(
                self._feedback, shift, feedback_id=self._ids(self._feedback, shift), request_id=about
            ),
            "scores": _moved(self._scores, shift, score_id=self._ids(self._scores, shift), request_id=about),
        }
        start = self._offset
        self._offset += sum(table.num_rows for table in tables.values())
        return DecodedBatch(
            tables=tables,  # type: ignore[arg-type]
            dead_letters=[],
            consumed={event: table.num_rows for event, table in tables.items()},  # type: ignore[misc]
            starts={PARTITION: start},
            positions={PARTITION: self._offset},
        )

    def _ids(self, rows: pa.Table, shift: timedelta) -> pa.Array:
        times_us = rows["event_time"].cast(pa.int64()).to_numpy() + shift // timedelta(microseconds=1)
        octets = self._random.integers(0, 256, (len(times_us), 16), np.uint8)
        octets[:, :6] = (times_us // 1000).astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
        octets[:, 6] = (octets[:, 6] & 0x0F) | 0x70
        octets[:, 8] = (octets[:, 8] & 0x3F) | 0x80
        digits = np.frombuffer(b"0123456789abcdef", np.uint8)
        text = np.full((len(times_us), 36), ord("-"), np.uint8)
        places = np.setdiff1d(np.arange(36), [8, 13, 18, 23])
        text[:, places[0::2]], text[:, places[1::2]] = digits[octets >> 4], digits[octets & 15]
        offsets = np.arange(len(times_us) + 1, dtype=np.int32) * 36
        return pa.StringArray.from_buffers(len(times_us), pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))


def _moved(rows: pa.Table, shift: timedelta, **ids: pa.Array) -> pa.Table:
    times = rows["event_time"].cast(pa.int64()).to_numpy() + shift // timedelta(microseconds=1)
    kind = rows.schema.field("event_time").type
    moved = {**ids, "event_time": pa.array(times).cast(pa.timestamp("us")).cast(kind)}
    return pa.table([moved.get(name, rows[name]) for name in rows.column_names], schema=rows.schema)


def fill(store: Store, feed: Feed, number: int, compaction: CompactionState) -> float:
    """Stores one batch, compacts and ages as a running server does; returns the commit's milliseconds."""
    batch = feed.batch(number)
    began = time.perf_counter()
    result = store.commit(batch)
    commit_ms = (time.perf_counter() - began) * 1000
    assert result.duplicates == 0
    while compact(store, CompactionPolicy(), compaction):
        pass
    age(store, AgeingPolicy(), RetentionPolicy(), feed.time_of(number + 1))
    return commit_ms


def median_ms(work: Callable[[], object], looks: int = LOOKS) -> float:
    """Median wall time of some work, in milliseconds."""
    times = []
    for _ in range(looks):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def check_same(found: Sequence[VersionRow], raw_rows: Sequence[dict[str, Any]]) -> None:
    """Both sides say the same, or the comparison is worth nothing."""
    raw = {(row["prompt"], row["version"]): row for row in raw_rows}
    assert {(row.prompt, row.version) for row in found} == raw.keys()
    for row in found:
        expected = raw[row.prompt, row.version]
        for name in _EXACT:
            assert getattr(row, name) == expected[name], (row, name)
        assert row.cost_nano_usd == expected["cost_nano_usd"], row
        for name, tolerance in _WITHIN.items():
            mine: float | None = getattr(row, name)
            assert mine is not None
            assert abs(mine - expected[name]) <= tolerance * expected[name] * (1 + 1e-6), (row, name)


_EXACT = ("requests", "errors", "input_tokens", "output_tokens", "feedback", "thumbs_up")
_WITHIN = {
    "latency_ms_mean": 1e-9,
    "quality_mean": 1e-9,
    "latency_ms_p50": 0.01,
    "latency_ms_p95": 0.01,
    "time_to_first_token_ms_p95": 0.01,
}


def measure(sizes: Sequence[int], say: Callable[[str], None]) -> Iterator[Sizes]:
    """Fill one store and measure each time it has reached one of the sizes."""
    feed, compaction = Feed(max(sizes)), CompactionState()
    commits: list[float] = []
    number = 0
    with tempfile.TemporaryDirectory(prefix="coalmine-queries-") as folder:
        for rows in sorted(sizes):
            store = Store.open(Path(folder))
            while number * BATCH_ROWS < rows:
                commits.append(fill(store, feed, number, compaction))
                number += 1
                if number % 10 == 0:
                    say(f"{number * BATCH_ROWS:,} requests stored")
            found, mine_ms = _look(store, until=START + SPAN * min(sizes) / max(sizes))
            store.close()
            raw_sql_ms = _look_at_raw_rows(Path(folder), found)
            measured = Sizes(rows, *mine_ms, raw_sql_ms=raw_sql_ms, commit_ms=statistics.median(commits))
            say(str(measured))
            yield measured


def _look(store: Store, until: datetime) -> tuple[list[VersionRow], tuple[float, float, float]]:
    reader = store.reader()
    fixed = Filters(since=START + timedelta(minutes=17), until=until)
    return versions(reader).items, (
        median_ms(lambda: versions(reader)),
        median_ms(lambda: versions(reader, fixed)),
        median_ms(lambda: timeseries(reader, step="day")),
    )


def _look_at_raw_rows(folder: Path, found: Sequence[VersionRow]) -> float:
    """The same from raw rows: with memory at will, because exact quantiles hold every value."""
    store = Store.open(folder, StoreSettings(memory_limit_mb=8_000))
    try:
        check_same(found, store.reader().table(RAW_SQL).to_pylist())
        return median_ms(lambda: store.reader().table(RAW_SQL), looks=3)
    finally:
        store.close()


def print_table(measured: Sequence[Sizes]) -> None:
    """What was measured, for people."""
    print(f"{'raw requests':>14} {'versions':>10} {'a time':>10} {'by day':>10} {'raw SQL':>10} {'ratio':>7}")
    for each in measured:
        figures = f"{each.versions_ms:>7.1f} ms {each.range_ms:>7.1f} ms {each.timeseries_ms:>7.1f} ms"
        ratio = each.raw_sql_ms / each.versions_ms
        print(f"{each.rows:>14,} {figures} {each.raw_sql_ms:>7.0f} ms {ratio:>6.0f}x")
    first, last = measured[0], measured[-1]
    print(
        f"{last.rows / first.rows:.0f} times the rows: versions take "
        f"{last.versions_ms / first.versions_ms:.2f} times as long, those of the same time "
        f"{last.range_ms / first.range_ms:.2f} times, raw SQL "
        f"{last.raw_sql_ms / first.raw_sql_ms:.1f} times. "
        f"Commit of {BATCH_ROWS:,} requests with reactions: {last.commit_ms:.0f} ms (median)."
    )


def as_json(measured: Sequence[Sizes]) -> dict[str, Any]:
    """What was measured, for programs."""
    names = ("versions_ms", "range_ms", "timeseries_ms", "raw_sql_ms")
    answer: dict[str, Any] = {
        name: {str(each.rows): round(getattr(each, name), 2) for each in measured} for name in names
    }
    return answer | {"commit_ms": round(measured[-1].commit_ms, 1)}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--json", action="store_true", help="print one last line of JSON")
    chosen = parser.parse_args(arguments)
    measured = list(measure(chosen.rows, lambda text: print(text, file=sys.stderr)))
    print_table(measured)
    if chosen.json:
        print(json.dumps(as_json(measured)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
