"""Tracks which spool files were read and committed, and removes them."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coalmine_consumers.raw import TopicPartition

SPOOL_TOPIC: Final = "spool"
"""The topic of every spool partition."""
DAMAGED_DIRECTORY: Final = "damaged"
"""Where damaged files are set aside, inside the spool."""

_log = logging.getLogger(__name__)


def spool_partition(path: Path) -> TopicPartition:
    """The partition that a file is."""
    return TopicPartition(SPOOL_TOPIC, path.name)


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A file read to its end."""

    path: Path
    end: int
    """Position after everything in it."""
    damaged: bool
    """True if a part of it could not be read."""


class SpoolFiles:
    """Removes each finished file once the store holds all of it; safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._finished: dict[TopicPartition, FinishedFile] = {}
        self._removable: dict[TopicPartition, FinishedFile] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._retired: list[TopicPartition] = []
        self._complained: set[TopicPartition] = set()

    def reset(self, stored: Mapping[TopicPartition, int], present: set[str] | None) -> None:
        """Begins again from what the store says.

        Args:
            stored: Positions of spool partitions in the store.
            present: Names of the sealed files there are; None if the directory cannot be read, so that
                nothing is known to be gone.
        """
        with self._lock:
            self._finished.clear()
            self._removable.clear()
            self._committed = dict(stored)
            # A crash between removing a file and forgetting its position leaves such rows behind.
            self._retired = [part for part in stored if present is not None and part.partition not in present]

    def finished(self, file: FinishedFile) -> None:
        """Learns that a file was read to its end."""
        partition = spool_partition(file.path)
        with self._lock:
            if self._committed.get(partition, 0) >= file.end:
                self._removable[partition] = file
            else:
                self._finished[partition] = file

    def committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Learns what the store holds."""
        with self._lock:
            for partition, position in positions.items():
                if partition.topic != SPOOL_TOPIC:
                    continue
                self._committed[partition] = position
                file = self._finished.get(partition)
                if file is not None and position >= file.end:
                    self._removable[partition] = self._finished.pop(partition)

    def gone(self, partition: TopicPartition) -> None:
        """Learns that another process removed a file."""
        with self._lock:
            self._committed.pop(partition, None)
            self._retired.append(partition)

    def remove_committed(self) -> None:
        """Removes finished files; what cannot be removed is tried again at the next call."""
        with self._lock:
            removable, self._removable = self._removable, {}
            for partition, file in removable.items():
                try:
                    self._remove(file)
                except OSError as error:
                    self._removable[partition] = file
                    if partition not in self._complained:
                        self._complained.add(partition)
                        name = partition.partition
                        _log.error("spool: cannot remove %s, will try again: %s", name, error)
                else:
                    self._committed.pop(partition, None)
                    self._complained.discard(partition)
                    self._retired.append(partition)

    def take_retired(self) -> list[TopicPartition]:
        """Partitions whose files are gone, each handed out once."""
        with self._lock:
            retired, self._retired = self._retired, []
            return retired

    def give_back(self, retired: list[TopicPartition]) -> None:
        """Takes back partitions from `take_retired` that no batch carried."""
        with self._lock:
            self._retired = retired + self._retired

    def progress(self) -> tuple[dict[TopicPartition, int], set[TopicPartition]]:
        """Committed positions, and the partitions that are committed to their end."""
        with self._lock:
            return dict(self._committed), set(self._removable)

    def _remove(self, file: FinishedFile) -> None:
        if not file.damaged:
            file.path.unlink(missing_ok=True)
            return
        aside = self._directory / DAMAGED_DIRECTORY
        aside.mkdir(mode=0o700, exist_ok=True)
        try:
            file.path.rename(aside / file.path.name)
        except FileNotFoundError:
            return
        _log.error("spool: set the damaged file aside as %s/%s", DAMAGED_DIRECTORY, file.path.name)
