"""A store in memory that keeps the rules a collector relies on, and fails when told."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from coalmine_consumers.collector.decode import DecodedBatch, FailedMessage
from coalmine_consumers.errors import PositionConflict
from coalmine_consumers.raw import Gap, TopicPartition

_ID = {"requests": "request_id", "feedback": "feedback_id", "scores": "score_id"}


@dataclass(frozen=True, slots=True)
class FakeResult:
    stored: int
    duplicates: int
    dead_lettered: int


@dataclass(slots=True)
class FakeStore:
    """Keeps ids and positions; `before_commit` may raise or block."""

    before_commit: Callable[[DecodedBatch], None] = lambda batch: None
    ids: dict[str, set[str]] = field(default_factory=dict)
    dead_letters: list[FailedMessage] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    duplicates: int = 0
    _positions: dict[TopicPartition, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def positions(self) -> Mapping[TopicPartition, int]:
        with self._lock:
            return dict(self._positions)

    def move(self, partition: TopicPartition, position: int) -> None:
        """What a foreign writer would do."""
        with self._lock:
            self._positions[partition] = position

    def commit(self, batch: DecodedBatch) -> FakeResult:
        self.before_commit(batch)
        with self._lock:
            for partition, start in batch.starts.items():
                stored = self._positions.get(partition, start)
                if start != stored:
                    raise PositionConflict(partition, start, stored)
            stored = duplicates = 0
            for event, table in batch.tables.items():
                seen = self.ids.setdefault(event, set())
                for id_ in table.column(_ID[event]).to_pylist():
                    if id_ in seen:
                        duplicates += 1
                    else:
                        seen.add(id_)
                        stored += 1
            self.dead_letters.extend(batch.dead_letters)
            self.gaps.extend(batch.gaps)
            self.batches.append(sum(batch.consumed.values()))
            self._positions.update(batch.positions)
            for partition in batch.retired:
                self._positions.pop(partition, None)
            self.duplicates += duplicates
            return FakeResult(stored, duplicates, len(batch.dead_letters))

    def count(self) -> int:
        return sum(map(len, self.ids.values()))
