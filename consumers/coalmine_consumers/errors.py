"""Errors of the consuming side. Classes say what the caller should do.

CoalmineError                      (coalmine_schemas.errors)
├── Transient                      retry after a pause
│   ├── SourceUnavailable          the broker or the spool cannot be read now
│   ├── StoreUnavailable           the store cannot be written now: disk full, out of memory
│   ├── StoreLocked                another process owns the store; wait for it (standby)
│   └── MaintenanceConflict        the store changed under a prepared change; prepare it again
├── Terminal                       stop and tell a person
│   ├── BatchDamaged               a prepared batch is not what was written
│   ├── SourceMisconfigured        waiting will not help: wrong credentials, unknown option
│   └── StoreDamaged               the store contradicts itself; needs a restore or a rebuild
├── PositionConflict               drop what is buffered, read again from the stored positions
└── InvalidParameter
    └── UnknownSegment             no request of the question has it
"""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from coalmine_schemas.errors import CoalmineError, InvalidParameter, Terminal, Transient, nearest

if TYPE_CHECKING:  # each command loads this file, and what it imports
    from coalmine_consumers.raw import TopicPartition


class SourceUnavailable(Transient):
    """A source cannot be read at the moment; polling it again may work."""


class StoreUnavailable(Transient):
    """The store cannot be written at the moment. The transaction is undone, and may be tried again."""


class StoreLocked(Transient):
    """Another process owns the store.

    Attributes:
        pid: The owner's process id, or None if it could not be read.
    """

    def __init__(self, pid: int | None) -> None:
        super().__init__(pid)
        self.pid = pid

    def __str__(self) -> str:
        owner = "another process" if self.pid is None else f"process {self.pid}"
        return f"the store is in use by {owner}"


class MaintenanceConflict(Transient):
    """What was prepared no longer fits what the store holds. Nothing was changed."""


class BatchDamaged(Terminal):
    """A prepared batch cannot be read. Nothing of it was imported.

    Attributes:
        path: Its folder, or the file.
        reason: What is wrong.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.path} is damaged ({self.reason}). Restore it, or remove the folder of its query: "
            "the next query begins where the store stands"
        )


class SourceMisconfigured(Terminal):
    """A source can never be read with these settings."""


class StoreDamaged(Terminal):
    """What the store holds contradicts itself."""


class PositionConflict(CoalmineError):
    """A batch does not start at the stored positions: committing it would lose or repeat messages.

    Attributes:
        partition: The first partition that disagrees.
        start: Where the batch starts.
        stored: The stored position.
    """

    def __init__(self, partition: "TopicPartition", start: int, stored: int) -> None:
        super().__init__(partition, start, stored)
        self.partition = partition
        self.start = start
        self.stored = stored

    def __str__(self) -> str:
        where = f"{self.partition.topic}/{self.partition.partition}"
        return f"{where}: batch starts at {self.start} but the stored position is {self.stored}"


class UnknownSegment(InvalidParameter):
    """No request of a question has a segment that was asked for.

    Args:
        name: The segment.
        known: Those that they have.
    """

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = sorted(known)

    def __str__(self) -> str:
        near = nearest(self.name, self.known)
        hint = f"did you mean {near}? " if near else ""
        return f"segment {self.name!r}: {hint}these requests have {', '.join(self.known) or 'none'}"
