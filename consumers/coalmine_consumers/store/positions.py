"""Positions of partitions, kept in the same transaction as what was read from them."""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from coalmine_consumers.errors import PositionConflict
from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sql import lent, parsed, statement


def read_positions(connection: duckdb.DuckDBPyConnection) -> dict[TopicPartition, int]:
    """Returns every stored position: the next to read."""
    query = 'SELECT topic, "partition", topic_id, next_offset FROM source_positions'
    rows = connection.execute(parsed(connection, query)).fetchall()
    return {TopicPartition(*names): offset for *names, offset in rows}


def require_starts(stored: Mapping[TopicPartition, int], starts: Mapping[TopicPartition, int]) -> None:
    """Rejects a batch that does not start at the stored positions.

    Raises:
        PositionConflict: It would repeat messages or leave some out.
    """
    for partition, start in starts.items():
        expected = stored.get(partition, start)
        if start != expected:
            raise PositionConflict(partition, start, expected)


def move_positions(
    connection: duckdb.DuckDBPyConnection,
    starts: Mapping[TopicPartition, int],
    positions: Mapping[TopicPartition, int],
    skipped: Mapping[TopicPartition, int],
    retired: Sequence[TopicPartition],
) -> None:
    """Stores new positions, and forgets partitions that are gone for good."""
    moved = _table(
        list(positions),
        start_offset=[starts[each] for each in positions],
        next_offset=[*positions.values()],
        skipped=[skipped.get(each, 0) for each in positions],
    )
    if moved.num_rows:  # DuckDB finds `moved` here
        connection.execute(parsed(connection, statement("move_positions", __package__)))
    if retired:
        with lent(connection, gone=_table(retired)):
            connection.execute(statement("retire_positions", __package__))
            connection.execute(
                'DELETE FROM source_positions WHERE (topic, "partition", topic_id) IN (FROM gone)'
            )


def _table(partitions: Sequence[TopicPartition], **columns: list[int]) -> pa.Table:
    names = {
        "topic": pa.array([each.topic for each in partitions], pa.string()),
        "partition": pa.array([each.partition for each in partitions], pa.string()),
        "topic_id": pa.array([each.topic_id for each in partitions], pa.string()),
    }
    return pa.table(names | {name: pa.array(values, pa.int64()) for name, values in columns.items()})
