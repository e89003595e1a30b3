"""Batches of frames to Arrow tables: the hot path of ingestion.

A batch of good frames of one schema takes one call to decode and a few looks at whole columns. Where
something does not fit, the frames are grouped by header, the bad ones found (`vectorised/scan.py`), and only
those go through `codec.Decoder` one by one, which decides about each and reports exactly what is wrong.
Without `pyruhvro`, which does not exist for every platform, all of them do: the same rows, slower.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import Decoder
from coalmine_schemas.errors import FailureStage, InvalidMessage
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import (
    CONFLUENT_HEADER_SIZE,
    CONFLUENT_MAGIC,
    SINGLE_OBJECT_HEADER_SIZE,
    Header,
    check_present,
    parse_header,
)
from coalmine_schemas.ranges import DEFAULT_RANGES, Range
from coalmine_schemas.reader import check_same_event
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.validate import broken_rules
from coalmine_schemas.vectorised.arrow_schema import arrow_schema, records_as_rows
from coalmine_schemas.vectorised.columns import IntArray
from coalmine_schemas.vectorised.out_of_range import out_of_range
from coalmine_schemas.vectorised.plan import IS_FAST, Plan, make_plan
from coalmine_schemas.vectorised.unread import doubtful_rows

__all__ = ["BatchDecoder", "BatchResult", "Failure", "arrow_schema"]

_LOGGER = logging.getLogger("coalmine")

MAX_CALL_BYTES = 1 << 29
"""Bytes decoded in one call; Arrow's texts end at 2 GiB a column."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that cannot be consumed."""

    index: int
    """Its place in the batch, from 0."""
    stage: FailureStage
    """Step that failed."""
    reason: str
    """Why, in words."""
    schema_ref: str | None
    """Schema its frame named; None if none."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: every message is either a row or a failure."""

    table: pa.Table
    """The good events, with the columns of `arrow_schema(event)`."""
    rows: IntArray
    """Index in the batch of each row of the table, ascending."""
    failures: list[Failure]
    """The other messages, by ascending index."""


class BatchDecoder:
    """Decodes batches of one event each, with any mix of writer schemas.

    Accepts exactly the messages `codec.Decoder` accepts, with the same values, but for those with a value
    beyond the declared range of its name. One decoder serves one thread.

    Args:
        resolver: Where writer schemas come from.
        ranges: Declared ranges of the values of requests' metrics and of scores, by name.
        max_call_bytes: Bytes decoded in one call.
    """

    def __init__(
        self,
        resolver: SchemaResolver,
        *,
        ranges: Mapping[str, Range] = DEFAULT_RANGES,
        max_call_bytes: int = MAX_CALL_BYTES,
    ) -> None:
        self._resolver = resolver
        self._ranges = ranges
        self._exact = Decoder(resolver)
        self._max_call_bytes = max_call_bytes
        self._plans: dict[tuple[EventName, Header], Plan | None] = {}
        if not IS_FAST:
            _LOGGER.warning("pyruhvro is not installed: events are decoded one by one, much more slowly")

    def decode(
        self, event: EventName, frames: Sequence[bytes | None], *, most_bytes: int | None = None
    ) -> BatchResult:
        """Decode a batch. May block on the schema registry where a frame names an id not seen before.

        Args:
            event: Which event all messages should be.
            frames: The messages as they came; None for a tombstone.
            most_bytes: Longer messages are not looked at, as if they were empty; None looks at all.

        Raises:
            RegistryUnavailable: A schema is unknown and the registry does not answer. Nothing was decided;
            the
                whole batch is to be decoded again later.
            RegistryRefused: A schema is unknown and the registry does not want us.
        """
        frames = frames if isinstance(frames, list) else list(frames)
        sizes = _sizes(frames)
        if most_bytes is not None and (too_long := np.flatnonzero(sizes > most_bytes)).size:
            frames = frames.copy()
            for index in too_long.tolist():
                frames[index], sizes[index] = b"", 0
        work = _Work(event, frames, self._ranges)
        if not self._decode_as_one(work, int(sizes.sum())):
            self._decode_by_header(work)
        self._decode_exactly(work)
        return work.result()

    def _decode_as_one(self, work: "_Work", size_bytes: int) -> bool:
        """Decode the whole batch with the schema its first frame names; False if that does not do."""
        try:
            header = parse_header(check_present(next(iter(work.frames), None)))
            plan = self._plan(work.event, header)
        except InvalidMessage:
            return False
        if plan is None or size_bytes > self._max_call_bytes:
            return False
        batch = plan.decode_all(cast(list[bytes], work.frames), size_bytes)
        if batch is not None:
            work.add(plan, batch, np.arange(len(work.frames)))
        return batch is not None

    def _decode_by_header(self, work: "_Work") -> None:
        for members in _grouped_by_header(work.frames):
            try:
                header = parse_header(check_present(work.frames[members[0]]))
                plan = self._plan(work.event, header)
            except InvalidMessage as problem:
                work.fail_all(members, problem)
                continue
            if plan is None:
                work.doubtful.extend(members)
                continue
            frames = cast(list[bytes], [work.frames[index] for index in members])
            index = np.array(members, np.int64)
            for part in self._parts(frames):
                batch, good = plan.decode_good(frames[part])
                work.doubtful.extend(index[part][~good].tolist())
                if batch is not None:
                    work.add(plan, batch, index[part][good])

    def _decode_exactly(self, work: "_Work") -> None:
        """Let the exact path decide about the doubtful messages; add what it accepts."""
        accepted, records = [], []
        for index in sorted(work.doubtful):
            try:
                records.append(self._exact.decode_plain(work.event, work.frames[index]))
            except InvalidMessage as problem:
                work.fail(index, problem)
                continue
            accepted.append(index)
        if accepted:
            work.add_rows(records_as_rows(work.event, records), np.array(accepted, np.int64))

    def _plan(self, event: EventName, header: Header) -> Plan | None:
        key = event, header
        if key not in self._plans:
            writer = self._resolver.writer_schema(header)
            check_same_event(latest(event), writer)
            self._plans[key] = make_plan(latest(event), writer, header)
        return self._plans[key]

    def _parts(self, frames: Sequence[bytes]) -> Iterator[slice]:
        """Parts of at most `max_call_bytes`, or of one message."""
        ends = np.cumsum(np.fromiter(map(len, frames), np.int64, len(frames)))
        start = 0
        while start < len(frames):
            before = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, before + self._max_call_bytes, side="right"))
            stop = max(stop, start + 1)
            yield slice(start, stop)
            start = stop


class _Work:
    """What is known about a batch so far."""

    def __init__(self, event: EventName, frames: list[bytes | None], ranges: Mapping[str, Range]) -> None:
        self.event: EventName = event
        self._ranges = ranges
        self.frames = frames
        self.doubtful: list[int] = []
        """Messages for the exact path."""
        self._failures: list[Failure] = []
        self._parts: list[tuple[pa.RecordBatch, IntArray]] = []

    def add(self, plan: Plan, batch: pa.RecordBatch, index: IntArray) -> None:
        """Take in the rows of a physical batch, but for those that are doubtful or break a rule."""
        doubtful = doubtful_rows(plan.physical.document, batch)
        if len(doubtful):
            self.doubtful.extend(index[doubtful].tolist())
            batch, index = _without(doubtful, batch, index)
        canonical = plan.projection.apply(batch)
        broken = broken_rules(self.event, canonical)
        if broken:
            ref = plan.header.schema_ref
            self._failures.extend(
                Failure(int(index[row]), "validate", reason, ref) for row, reason in broken.items()
            )
            canonical, index = _without(np.fromiter(broken, np.int64), canonical, index)
        self.add_rows(canonical, index)

    def add_rows(self, rows: pa.RecordBatch, index: IntArray) -> None:
        """Take in rows of events that break no rule, but for those with a value beyond its range."""
        beyond = out_of_range(self.event, rows, self._ranges)
        for row, reason in beyond.items():
            place = int(index[row])
            ref = parse_header(check_present(self.frames[place])).schema_ref
            self._failures.append(Failure(place, "validate", reason, ref))
        if beyond:
            rows, index = _without(np.fromiter(beyond, np.int64), rows, index)
        self._parts.append((rows, index))

    def fail(self, index: int, problem: InvalidMessage) -> None:
        """Count one message as a failure."""
        self._failures.append(Failure(index, problem.stage, problem.reason, problem.schema_ref))

    def fail_all(self, members: Iterable[int], problem: InvalidMessage) -> None:
        """Count messages as failures for the same reason."""
        for index in members:
            self.fail(index, problem)

    def result(self) -> BatchResult:
        """The batch, put together in the order it came in."""
        failures = sorted(self._failures, key=lambda failure: failure.index)
        parts = [part for part, _ in self._parts]
        table = pa.Table.from_batches(parts, schema=arrow_schema(self.event))
        rows = np.concatenate([index for _, index in self._parts] or [np.empty(0, np.int64)])
        if len(parts) > 1:
            order = np.argsort(rows)
            table, rows = table.combine_chunks().take(pa.array(order)), rows[order]
        return BatchResult(table, rows, failures)


def _sizes(frames: list[bytes | None]) -> IntArray:
    """Bytes of each message: one look at each, since that takes as long as a tenth of decoding it."""
    try:
        return np.fromiter(map(len, cast(list[bytes], frames)), np.int64, len(frames))
    except TypeError:  # a tombstone has no length
        return np.fromiter((len(frame or b"") for frame in frames), np.int64, len(frames))


def _without(dropped: IntArray, batch: pa.RecordBatch, index: IntArray) -> tuple[pa.RecordBatch, IntArray]:
    keep = np.ones(len(index), np.bool_)
    keep[dropped] = False
    return batch.filter(pa.array(keep)), index[keep]


def _grouped_by_header(frames: Sequence[bytes | None]) -> Iterable[list[int]]:
    """Indexes of the frames, those that begin with the same header together."""
    groups: defaultdict[bytes | None, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        if frame is None:
            groups[None].append(index)
        elif frame[:1] == CONFLUENT_MAGIC:
            groups[frame[:CONFLUENT_HEADER_SIZE]].append(index)
        else:
            groups[frame[:SINGLE_OBJECT_HEADER_SIZE]].append(index)
    return groups.values()
