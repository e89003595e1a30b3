"""What runs on Spark's workers: functions of Arrow batches, made of the collector's own functions.

A batch passes twice. First each message gets an identity, by which Spark drops the repeated ones; then what
is left is decoded, priced and written. Decoding twice spares Spark's rows forty columns.

Between the messages go marks: each says how many messages of an event a task has read, since what is dropped
can no longer be counted.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.collector.decode import LedgerEvent, decode_batch
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.prepared.folder import Part, part_as_json
from coalmine_consumers.prepared.parts import write_part
from coalmine_consumers.raw import READ_EVENTS, Origin, RawBatch, RawColumn, ReadEvent
from coalmine_consumers.store.segments import ID_COLUMN
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.errors import Transient
from coalmine_schemas.limits import MESSAGE_BYTES
from coalmine_schemas.own_prices import OwnPrice
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import topic_name
from coalmine_spark.job import decoding_of_json

MESSAGE: Final = (
    "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, "
    "identity binary, messages bigint"
)
"""A message with its identity, or a mark: `messages` of a topic were read."""
WRITTEN: Final = "part string"
"""What a task wrote, as JSON."""
MOST_AT_ONCE: Final = 200_000
"""Messages that a task decodes and writes together; bounds its memory."""
ATTEMPTS: Final = 5
"""How often a task asks the schema registry before Spark tries it elsewhere."""

T = TypeVar("T")
Batches = Iterable[pa.RecordBatch]


class _Worker:
    """A decoder and a pricer of one Python process of a worker, which lives for many tasks."""

    def __init__(self, decoding: str) -> None:
        given = decoding_of_json(decoding)
        login = given.schema_registry
        registry = None
        if login is not None:
            registry = SchemaRegistryClient.configured(
                login.url, login.username, login.password, login.ca_location
            )
            if registry is not None:
                ExitStack().enter_context(registry)
        self.decoder = BatchDecoder(SchemaResolver(registry), ranges=given.ranges)
        own = (
            OwnPrice(each.model, each.provider, each.prices, each.service_tier) for each in given.own_prices
        )
        self.pricer = Pricer(own)
        self.events: Mapping[str, ReadEvent] = {
            topic_name(event, given.topic_prefix): event for event in READ_EVENTS
        }


@lru_cache(maxsize=4)
def _worker(decoding: str) -> _Worker:
    return _Worker(decoding)


def identify(decoding: str) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Messages from Kafka with an identity: an event's id, or where the message is."""

    def run(batches: Batches) -> Iterator[pa.RecordBatch]:
        worker = _worker(decoding)
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            for topic, event in worker.events.items():
                mine = rows.filter(pc.equal(rows["topic"], topic))
                if mine.num_rows:
                    yield from _identified(worker, event, mine).to_batches()

    return run


def _identified(worker: _Worker, event: ReadEvent, rows: pa.Table) -> pa.Table:
    values = rows["value"].to_pylist()
    topics, partitions, offsets = (rows[name].to_pylist() for name in ("topic", "partition", "offset"))
    identities = [
        f"{topic}/{partition}/{offset}".encode()
        for topic, partition, offset in zip(topics, partitions, offsets, strict=True)
    ]
    mark = b"read " + identities[0]
    if event != "deployments":  # a few a day, which the store knows apart
        found = _patiently(lambda: worker.decoder.decode(event, values, most_bytes=MESSAGE_BYTES))
        ids = found.table[ID_COLUMN[event]].to_pylist()
        for row, id_ in zip(found.rows.tolist(), ids, strict=True):
            identities[row] = f"{event} {id_}".encode()
    columns = {name: rows[name] for name in ("key", "value", "topic", "partition", "offset", "timestamp")}
    columns["identity"] = pa.array(identities, pa.binary())
    columns["messages"] = pa.nulls(len(identities), pa.int64())
    messages = pa.table(columns)
    marked = {
        **{name: [None] for name in ("key", "value")},
        **{name: rows[name][:1] for name in ("topic", "partition", "offset", "timestamp")},
        **{"identity": [mark], "messages": [len(identities)]},
    }
    return pa.concat_tables([messages, pa.table(marked, schema=messages.schema)]).combine_chunks()


def write(
    decoding: str, folder: Path, ingest_id: int, written_at: datetime
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Decodes, prices and writes messages of which none is repeated; returns what was written."""

    def run(batches: Batches) -> Iterator[pa.RecordBatch]:
        worker = _worker(decoding)
        for rows in _gathered(batches):
            part = _written(worker, rows, folder, ingest_id, written_at)
            yield pa.RecordBatch.from_pydict({"part": [part_as_json(part)]})

    return run


def _gathered(batches: Batches) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        if count >= MOST_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting, count = [], 0
    if count:
        yield pa.Table.from_batches(waiting)


def _written(worker: _Worker, rows: pa.Table, folder: Path, ingest_id: int, written_at: datetime) -> Part:
    is_mark = rows["messages"].is_valid()
    read: dict[LedgerEvent, int] = {}
    marks = rows.filter(is_mark).select(["topic", "messages"]).to_pylist()
    for mark in marks:
        event = worker.events[mark["topic"]]
        read[event] = read.get(event, 0) + mark["messages"]
    messages = rows.filter(pc.invert(is_mark))
    raw = RawBatch(
        columns={
            event: _column(mine)
            for topic, event in worker.events.items()
            if (mine := messages.filter(pc.equal(messages["topic"], topic))).num_rows
        },
        starts={},
        positions={},
    )
    batch = _patiently(lambda: decode_batch(raw, worker.decoder, worker.pricer))
    return replace(write_part(folder, batch, ingest_id, written_at), read=read)


def _column(rows: pa.Table) -> RawColumn:
    def origin(index: int) -> Origin:
        (row,) = rows.slice(index, 1).select(["key", "topic", "partition", "offset", "timestamp"]).to_pylist()
        timestamp_ms = round(row["timestamp"].timestamp() * 1000) if row["timestamp"] else None
        return Origin(row["topic"], str(row["partition"]), row["offset"], timestamp_ms, row["key"])

    return RawColumn(rows["value"].to_pylist(), origin)


def _patiently(action: Callable[[], T]) -> T:
    for attempt in range(1, ATTEMPTS):
        try:
            return action()
        except Transient:
            time.sleep(attempt)
    return action()
