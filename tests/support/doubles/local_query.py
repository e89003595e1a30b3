"""A query without Spark and Kafka: the same tasks, run here, make the same folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from coalmine_consumers.prepared.folder import (
    Manifest,
    Part,
    Query,
    QueryFolder,
    Span,
    part_of_json,
    read_position,
)
from coalmine_consumers.raw import TopicPartition
from coalmine_schemas.topics import topic_name
from coalmine_spark.job import Decoding, decoding_as_json
from coalmine_spark.tasks import identify, write
from tests.support.torture.load import Sent

_KAFKA = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", "UTC")),
    ]
)
DECODING = decoding_as_json(Decoding())


@dataclass
class LocalQuery:
    """Writes batches as Spark would, of messages in one partition of each topic."""

    folder: QueryFolder
    began: Query
    offsets: dict[str, int] = field(default_factory=dict)
    number: int = 0
    seen: set[bytes] = field(default_factory=set)
    remembers: bool = True
    """False: Spark's state is lost with each batch."""
    topic_id: str = ""

    @classmethod
    def begin(cls, root: Path, *, remembers: bool = True) -> "LocalQuery":
        """Begins where the store stands."""
        position = read_position(root)
        assert position is not None, "a source has started"
        starts = [Span(each.partition, each.next, each.next) for each in position.positions]
        began = Query(position.next_ingest_id, starts)
        offsets = {each.partition.topic: each.next for each in starts}
        return cls(QueryFolder.begin(root, began, None), began, offsets, remembers=remembers)

    def batch(self, messages: Sequence[Sent], tasks: int = 2, *, finish: bool = True) -> int:
        """Writes the next batch; returns its number."""
        self.number += 1
        folder = self.folder.batch(self.number)
        folder.mkdir(parents=True)
        rows, spans = self._rows(messages)
        batches = rows.combine_chunks().to_batches(max_chunksize=1_000)
        identified = pa.Table.from_batches(identify(DECODING)(batches))
        if not self.remembers:
            self.seen = set()
        kept = []
        for index, identity in enumerate(identified["identity"].to_pylist()):
            if identity not in self.seen:
                self.seen.add(identity)
                kept.append(index)
        ingest_id, written_at = self.began.first_ingest_id + self.number, datetime.now(UTC)
        task = write(DECODING, folder, ingest_id, written_at)
        parts: list[Part] = []
        for share in range(tasks):
            mine = identified.take(kept[share::tasks])
            parts += [
                part_of_json(part) for out in task(mine.to_batches()) for part in out["part"].to_pylist()
            ]
        if finish:
            self.folder.finish(self.number, Manifest(ingest_id, written_at, spans, parts))
        return self.number

    def _rows(self, messages: Sequence[Sent]) -> tuple[pa.Table, list[Span]]:
        rows = []
        spans: dict[str, Span] = {}
        now = datetime.now(UTC)
        for message in messages:
            topic = topic_name(message.event)
            offset = self.offsets.get(topic, 0)
            self.offsets[topic] = offset + 1
            start = spans[topic].start if topic in spans else offset
            spans[topic] = Span(TopicPartition(topic, "0", self.topic_id), start, offset + 1)
            rows.append(
                {
                    "key": message.key,
                    "value": message.value,
                    "topic": topic,
                    "partition": 0,
                    "offset": offset,
                    "timestamp": now,
                }
            )
        return pa.Table.from_pylist(rows, _KAFKA), list(spans.values())
