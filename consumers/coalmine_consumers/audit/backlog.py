"""What waits in a source, counted exactly: for an audit, where an estimate would not do."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.base import SourceLag
from coalmine_consumers.sources.spool_files import SPOOL_TOPIC
from coalmine_schemas.spool_format import count_records, list_open, list_sealed


def waiting_in_spool(directory: Path, positions: Mapping[TopicPartition, int]) -> SourceLag:
    """Records in a spool directory that are not committed, those in files still being written included.

    Args:
        directory: The spool.
        positions: What the store holds of each file: next to read.
    """
    waiting: dict[TopicPartition, int] = {}
    for path in [*list_sealed(directory), *list_open(directory)]:
        with suppress(FileNotFoundError):  # sealed or consumed meanwhile
            partition = TopicPartition(SPOOL_TOPIC, path.name.removesuffix(".open"))
            waiting[partition] = max(0, count_records(path) - positions.get(partition, 0))
    return SourceLag(sum(waiting.values()), waiting)


def waiting_before(ends: Mapping[TopicPartition, int], positions: Mapping[TopicPartition, int]) -> SourceLag:
    """Messages in a log that are not committed.

    Args:
        ends: The offset each partition's next message will get.
        positions: Where the store stands; a partition it does not know counts from offset 0.
    """
    waiting = {partition: max(0, end - positions.get(partition, 0)) for partition, end in ends.items()}
    return SourceLag(sum(waiting.values()), waiting)
