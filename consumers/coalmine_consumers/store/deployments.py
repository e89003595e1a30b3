"""Changes of what environments serve: a few a day, kept forever in a table of their own."""

from datetime import datetime

import duckdb
import pyarrow as pa

from coalmine_consumers.sql import lent, statement


def insert_deployments(
    connection: duckdb.DuckDBPyConnection, decoded: pa.Table, ingest_id: int, now: datetime
) -> int:
    """Stores changes that are not stored yet, and says how many were not.

    Args:
        connection: With the batch's transaction open.
        decoded: The canonical Arrow schema.
        ingest_id: The batch.
        now: When it is committed.
    """
    with lent(connection, arriving=decoded):
        ((inserted,),) = connection.execute(
            statement("insert_deployments", __package__), {"ingest_id": ingest_id, "ingested_at": now}
        ).fetchall()
    return int(inserted)
