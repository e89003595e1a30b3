"""Messages waiting in a spool, counted exactly: for an audit, an estimate would not do."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.base import SourceLag
from coalmine_consumers.sources.spool_files import SPOOL_TOPIC
from coalmine_schemas.spool_format import count_records, list_open, list_sealed


def waiting_in_spool(directory: Path, positions: Mapping[TopicPartition, int]) -> SourceLag:
    """Counts the records in a spool directory that are not committed, including files still being written.

    Args:
        directory: The spool.
        positions: Next record to read of each file, according to the store.
    """
    waiting: dict[TopicPartition, int] = {}
    for path in [*list_sealed(directory), *list_open(directory)]:
        with suppress(FileNotFoundError):  # sealed or consumed meanwhile
            partition = TopicPartition(SPOOL_TOPIC, path.name.removesuffix(".open"))
            waiting[partition] = max(0, count_records(path) - positions.get(partition, 0))
    return SourceLag(sum(waiting.values()), waiting)
