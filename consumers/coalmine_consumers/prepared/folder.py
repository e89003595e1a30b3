"""The folder of prepared batches: names of files, and what manifests say.

```
position.json                       where the store stands; by the server
<query>/query.json                  where the query began, and how its batches are numbered
<query>/refused.json                why its batches no longer fit; by the server
<query>/checkpoint/                 the reader's own
<query>/batch=000000000007/manifest.json, segments/..., tables/...
```
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Generic, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from coalmine_consumers.collector.decode import LedgerEvent
from coalmine_consumers.errors import BatchDamaged
from coalmine_consumers.raw import Gap, TopicPartition
from coalmine_consumers.store.segments import Segment
from coalmine_schemas.atomic_file import make_private_folder, write_atomically
from coalmine_schemas.identifiers import uuid7

T = TypeVar("T")

POSITION: Final = "position.json"
QUERY: Final = "query.json"
REFUSED: Final = "refused.json"
MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint"
_BATCH: Final = "batch="


@dataclass(frozen=True, slots=True)
class Span:
    """What of one partition a batch holds."""

    partition: TopicPartition
    start: int
    """First position."""
    next: int
    """Next to read after it."""
    skipped: int = 0
    """Positions between them that held no message for us."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one task made of a batch. Paths are relative to the batch's folder."""

    segments: list[Segment] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    """Files of Arrow tables: rollups by table, "deployments" and "dead_letters"."""
    kept: dict[LedgerEvent, int] = field(default_factory=dict)
    """Messages that became rows or dead letters, by event."""
    read: dict[LedgerEvent, int] = field(default_factory=dict)
    """Messages that were read, by event, repeated ones included."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a batch is."""

    ingest_id: int
    written_at: datetime
    spans: list[Span]
    parts: list[Part] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    retired: list[TopicPartition] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """Messages read."""
        return sum(sum(part.read.values()) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Query:
    """Where a query began."""

    first_ingest_id: int
    """Number of its first batch; the others follow."""
    starts: list[Span]
    """Of each partition that there was: `next` is the first position that the query reads."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the store stands."""

    next_ingest_id: int
    positions: list[Span]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a query's batches no longer fit."""

    reason: str


class _File(Generic[T]):
    """Reads and writes one kind of file as JSON."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter = TypeAdapter(kind)

    def write(self, path: Path, value: T) -> None:
        write_atomically(path, self._adapter.dump_json(value))

    def read(self, path: Path) -> T | None:
        """None if there is no such file.

        Raises:
            BatchDamaged: It is not what we write.
        """
        try:
            return self._adapter.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            (first, *_) = error.errors()
            where = ".".join(map(str, first["loc"]))
            raise BatchDamaged(path, f"{where}: {first['msg']}") from error


_MANIFESTS, _QUERIES, _POSITIONS = _File(Manifest), _File(Query), _File(Position)
_REFUSALS, _PARTS = _File(Refusal), TypeAdapter(Part)


def part_as_json(part: Part) -> str:
    """A part as a task hands it to who writes the manifest."""
    return _PARTS.dump_json(part).decode()


def part_of_json(text: str) -> Part:
    """The part of `part_as_json`."""
    return _PARTS.validate_json(text)


@dataclass(frozen=True, slots=True)
class QueryFolder:
    """The folder of one query."""

    path: Path

    @classmethod
    def newest(cls, root: Path) -> Self | None:
        """The query whose batches are imported: the youngest that has begun."""
        found = sorted(path.parent for path in root.glob(f"*/{QUERY}"))
        return cls(found[-1]) if found else None

    @classmethod
    def begin(cls, root: Path, query: Query, first: Manifest | None) -> Self:
        """Makes a new one; from then on older ones are not imported any more."""
        folder = cls(root / uuid7())
        make_private_folder(folder.path)
        if first is not None:
            make_private_folder(folder.batch(0))
            folder.finish(0, first)
        _QUERIES.write(folder.path / QUERY, query)
        return folder

    @property
    def checkpoint(self) -> Path:
        """Where the reader keeps what it remembers."""
        return self.path / CHECKPOINT

    def query(self) -> Query:
        """Where it began."""
        found = _QUERIES.read(self.path / QUERY)
        assert found is not None, "it has begun"
        return found

    def refusal(self) -> Refusal | None:
        """Why it is refused, if it is."""
        return _REFUSALS.read(self.path / REFUSED)

    def refuse(self, reason: str) -> None:
        """Ends it: its reader begins another one where the store stands."""
        _REFUSALS.write(self.path / REFUSED, Refusal(reason))

    def batch(self, number: int) -> Path:
        """The folder of a batch."""
        return self.path / f"{_BATCH}{number:012d}"

    def finish(self, number: int, manifest: Manifest) -> None:
        """Makes a batch count."""
        _MANIFESTS.write(self.batch(number) / MANIFEST, manifest)

    def manifest(self, number: int) -> Manifest | None:
        """What a batch is; None while it does not count, or no longer."""
        return _MANIFESTS.read(self.batch(number) / MANIFEST)

    def waiting(self) -> list[int]:
        """Numbers of the batches that count and are not removed yet, ascending."""
        found = self.path.glob(f"{_BATCH}*/{MANIFEST}")
        return sorted(int(path.parent.name.removeprefix(_BATCH)) for path in found)


def write_position(root: Path, position: Position) -> None:
    """Says where the store stands."""
    _POSITIONS.write(root / POSITION, position)


def read_position(root: Path) -> Position | None:
    """Where the store stands; None before a server has said so."""
    return _POSITIONS.read(root / POSITION)
