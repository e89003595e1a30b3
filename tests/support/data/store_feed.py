"""Decoded batches for stores under test: made from plain values, or in bulk from a seed."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from coalmine_consumers.collector.decode import DecodedBatch, FailedMessage, LedgerEvent
from coalmine_consumers.raw import Gap, IngestedEvent, ReadEvent, TopicPartition
from coalmine_schemas.batch import arrow_schema
from coalmine_schemas.identifiers import unit_group, uuid7

Row = dict[str, Any]

START = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
PARTITION = TopicPartition("coalmine.mixed", "0")


def id_at(at: datetime, number: int) -> str:
    """The text of a UUIDv7 of a moment, different for each number below 2^62."""
    time_ms = int(at.timestamp() * 1000)
    text = f"{(time_ms << 80) | (0x7 << 76) | (0x2 << 62) | number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


group_of = functools.lru_cache(maxsize=10_000)(unit_group)
"""Of a unit: the same few make many requests."""


def request(number: int, at: datetime = START, **values: Any) -> Row:
    """One request; the same number and time give the same id."""
    unit_id = values.pop("unit_id", f"user-{number % 7}")
    row: Row = {
        "request_id": id_at(at, number),
        "event_time": at,
        "app": "support",
        "environment": "prod",
        "prompt": "refund",
        "version": "1.0.0",
        "unit_id": unit_id,
        "unit_group": group_of(unit_id),
        "resolution": "fixed",
        "request_model": "gpt-4o-mini",
        "latency_ms": 100.0 + number,
        "request_parameters": [],
        "other_usage": [],
        "cost_source": "unknown",
        "outcome": "ok",
        "metrics": [],
        "segments": [],
    }
    return row | values


def feedback(number: int, about: Row, at: datetime | None = None, **values: Any) -> Row:
    """Feedback on a request."""
    at = at or about["event_time"] + timedelta(minutes=5)
    row: Row = {
        "feedback_id": id_at(at, number),
        "request_id": about["request_id"],
        "event_time": at,
        "app": "support",
        "metadata": [],
    }
    return row | values


def score(number: int, about: Row, value: float, name: str = "quality", at: datetime | None = None) -> Row:
    """A score of a request."""
    at = at or about["event_time"] + timedelta(minutes=9)
    return {
        "score_id": id_at(at, number),
        "request_id": about["request_id"],
        "event_time": at,
        "app": "support",
        "name": name,
        "value": value,
        "source": "judge",
    }


def outcome(number: int, at: datetime, name: str = "converted", value: float = 1.0, **whose: Any) -> Row:
    """A late outcome of a `unit_id` or `session_id`, perhaps of a `prompt`."""
    score_id = id_at(at, number)
    row: Row = {"score_id": score_id, "request_id": score_id, "event_time": at, "app": "billing"}
    return row | {"name": name, "value": value, "source": "unknown"} | whose


def dead_letter(payload: bytes, event: LedgerEvent = "requests", **values: Any) -> FailedMessage:
    """A message that could not be stored."""
    row: dict[str, Any] = {
        "dead_letter_id": uuid7(),
        "failed_at": datetime.now(UTC),
        "source_topic": "coalmine.requests",
        "source_partition": "0",
        "source_offset": 0,
        "source_timestamp": None,
        "event": event,
        "stage": "frame",
        "reason": "not a frame",
        "schema_ref": None,
        "payload": payload,
        "key": None,
    }
    return FailedMessage(**(row | values))


def table(event: IngestedEvent, rows: Sequence[Row]) -> pa.Table:
    """Rows in the canonical schema; fields that are left out are null."""
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(event))


@dataclass
class Feed:
    """Makes batches that follow on each other in one partition."""

    offset: int = 0
    retire: list[TopicPartition] = field(default_factory=list)

    def batch(
        self,
        requests: Sequence[Row] | pa.Table = (),
        feedback: Sequence[Row] | pa.Table = (),
        scores: Sequence[Row] | pa.Table = (),
        dead_letters: Sequence[FailedMessage] = (),
        gaps: Sequence[Gap] = (),
    ) -> DecodedBatch:
        """The next batch."""
        given: Mapping[IngestedEvent, Sequence[Row] | pa.Table] = {
            "requests": requests,
            "feedback": feedback,
            "scores": scores,
        }
        tables: dict[ReadEvent, pa.Table] = {
            event: rows if isinstance(rows, pa.Table) else table(event, rows)
            for event, rows in given.items()
            if len(rows)
        }
        consumed: dict[LedgerEvent, int] = {event: rows.num_rows for event, rows in tables.items()}
        for letter in dead_letters:
            consumed[letter.event] = consumed.get(letter.event, 0) + 1
        start = self.offset
        self.offset += sum(consumed.values()) + sum(gap.missing for gap in gaps)
        return DecodedBatch(
            tables=tables,
            dead_letters=list(dead_letters),
            consumed=consumed,
            starts={PARTITION: start},
            positions={PARTITION: self.offset},
            gaps=list(gaps),
        )


def many_requests(
    count: int,
    seed: int = 7,
    *,
    start: datetime = START,
    hours: float = 5.0,
    experiment: str | None = "exp-1",
) -> pa.Table:
    """Requests in bulk with every measure filled, known or not, from a seed."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.uniform(0, hours * 3600, count))
    times_us = (
        np.datetime64(start.replace(tzinfo=None), "us") + (seconds * 1e6).astype("timedelta64[us]")
    ).astype(np.int64)
    units = random.zipf(1.5, count) % 5_000
    groups = _groups()
    variant = np.where(units % 2 == 0, "control", "treatment")

    def maybe(values: np.ndarray[Any, Any], share: float) -> pa.Array:
        return pa.array(values, mask=random.random(count) < share)

    columns: dict[str, Any] = {
        "request_id": ids_of_times(times_us, random),
        "event_time": pa.array(times_us).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        "app": _repeated("support", count),
        "environment": pa.array(random.choice(["prod", "staging"], count, p=[0.9, 0.1])),
        "prompt": pa.array(random.choice(["refund", "greet", "route"], count)),
        "version": pa.array(np.where(variant == "control", "1.0.0", "1.1.0")),
        "variant": pa.array(variant),
        "experiment": _repeated(experiment, count) if experiment else pa.nulls(count, pa.string()),
        "allocation_epoch": pa.array(np.full(count, 1, np.int32)),
        "unit_group": pa.array(groups[units]),
        "resolution": _repeated("live", count),
        "unit_id": pa.array([f"user-{unit}" for unit in units]),
        "request_model": pa.array(random.choice(["gpt-4o-mini", "claude-haiku"], count)),
        "response_model": maybe(np.full(count, "gpt-4o-mini-2024-07-18"), 0.4),
        "input_tokens": maybe(random.integers(10, 8_000, count), 0.02),
        "cached_input_tokens": maybe(random.integers(0, 10, count), 0.5),
        "output_tokens": maybe(random.integers(1, 900, count), 0.02),
        "request_parameters": _maps("temperature", np.full(count, "0.2")),
        "other_usage": _maps("web_searches", random.integers(1, 3, count).astype(np.float64)),
        "cost_nano_usd": maybe(random.integers(1_000, 90_000_000, count), 0.05),
        "cost_source": _repeated("price_list", count),
        "outcome": pa.array(random.choice(["ok", "cancelled", "refused", "unknown"], count)),
        "latency_ms": pa.array(random.lognormal(6, 1, count)),
        "time_to_first_token_ms": maybe(random.lognormal(4, 1, count), 0.3),
        "finish_reason": pa.array(
            random.choice(["stop", "length", "content_filter"], count, p=[0.9, 0.08, 0.02])
        ),
        "error_type": maybe(np.full(count, "timeout"), 0.97),
        "metrics": _maps("grounding", random.normal(0.7, 0.1, count)),
        "segments": _maps("tier", random.choice(["free", "enterprise"], count)),
    }
    schema = arrow_schema("requests")
    return pa.table(
        [
            columns[one.name].cast(one.type) if one.name in columns else pa.nulls(count, one.type)
            for one in schema
        ],
        schema=schema,
    )


def reactions_to(requests: pa.Table, seed: int = 11, share: float = 0.2) -> tuple[pa.Table, pa.Table]:
    """Feedback on and scores of a share of some requests."""
    random = np.random.default_rng(seed)
    chosen = np.flatnonzero(random.random(requests.num_rows) < share)
    about = requests.take(chosen)
    times_us = about["event_time"].cast(pa.int64()).to_numpy() + random.integers(
        1, 7_200_000_000, len(chosen)
    )
    times = pa.array(times_us).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    count = len(chosen)
    thumbs = pa.array(random.choice(["up", "down"], count), mask=random.random(count) < 0.3)
    given: dict[str, Any] = {
        "feedback_id": ids_of_times(times_us, random),
        "score_id": ids_of_times(times_us, random),
        "request_id": about["request_id"],
        "event_time": times,
        "app": about["app"],
        "thumbs": thumbs,
        "rating": pa.array(random.integers(1, 6, count).astype(float), mask=random.random(count) < 0.5),
        "correction": pa.array(np.full(count, "no"), mask=random.random(count) < 0.9),
        "metadata": _maps("page", random.choice(["a", "b"], count)),
        "name": _repeated("quality", count),
        "value": pa.array(random.beta(8, 2, count)),
        "source": _repeated("judge", count),
    }
    feedback_schema, scores_schema = arrow_schema("feedback"), arrow_schema("scores")
    return tuple(
        pa.table(
            [
                given[one.name].cast(one.type) if one.name in given else pa.nulls(count, one.type)
                for one in schema
            ],
            schema=schema,
        )
        for schema in (feedback_schema, scores_schema)
    )


@functools.cache
def _groups() -> np.ndarray[Any, Any]:
    return np.array([unit_group(f"user-{unit}") for unit in range(5_000)], np.int32)


def _repeated(value: str, count: int) -> pa.Array:
    return pa.array(np.full(count, value))


def _maps(key: str, values: np.ndarray[Any, Any]) -> pa.Array:
    entries = pa.StructArray.from_arrays([_repeated(key, len(values)), pa.array(values)], ["key", "value"])
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), entries)


def ids_of_times(times_us: np.ndarray[Any, Any], random: np.random.Generator) -> pa.Array:
    """Ids as UUIDv7 text."""
    high = ((times_us // 1000).astype(np.uint64) << np.uint64(16)) | np.uint64(0x7000)
    high |= random.integers(0, 1 << 12, len(times_us), np.uint64)
    low = random.integers(0, 1 << 62, len(times_us), np.uint64) | np.uint64(1 << 63)
    texts = [f"{int(one):016x}{int(other):016x}" for one, other in zip(high, low, strict=True)]
    return pa.array([f"{each[:8]}-{each[8:12]}-{each[12:16]}-{each[16:20]}-{each[20:]}" for each in texts])
