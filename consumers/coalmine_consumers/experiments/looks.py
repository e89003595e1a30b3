"""Looks: readouts that people were shown of an experiment, appended and never changed."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime

import duckdb

from coalmine_consumers.sql import Source


@dataclass(frozen=True, slots=True)
class Look:
    """One look."""

    look_id: int
    """Ascending over all experiments."""
    experiment: str
    taken_at: datetime
    through_ingest_id: int
    """It saw all batches through this one."""
    requests: int
    """Requests of the experiment it saw."""
    document: str
    """The readout, JSON."""


def append_look(connection: duckdb.DuckDBPyConnection, look: Look) -> Look:
    """Appends a look under the next free id.

    Args:
        connection: Inside a transaction of the store.
        look: Its `look_id` is not read.

    Returns:
        The look with its id.
    """
    ((look_id,),) = connection.execute(
        "INSERT INTO experiment_looks "
        "SELECT coalesce(max(look_id), 0) + 1, "
        "$experiment, $taken_at, $through_ingest_id, $requests, $document "
        "FROM experiment_looks RETURNING look_id",
        {name: value for name, value in asdict(look).items() if name != "look_id"},
    ).fetchall()
    return replace(look, look_id=int(look_id))


def last_look(source: Source, experiment: str) -> Look | None:
    """The latest look at an experiment, if there was one."""
    return next(iter(looks(source, experiment, limit=1)), None)


def look_at(source: Source, experiment: str, taken_at: datetime, *, containing: str) -> Look:
    """The look at an experiment that was taken at a moment; it exists.

    Args:
        source: Where to read.
        experiment: Its name.
        taken_at: The moment.
        containing: A text in its document, which tells it from others of that moment.
    """
    (row,) = source.rows(
        "SELECT * FROM experiment_looks WHERE experiment = $experiment AND taken_at = $taken_at "
        "AND contains(document, $containing) ORDER BY look_id DESC LIMIT 1",
        {"experiment": experiment, "taken_at": taken_at, "containing": containing},
    )
    return Look(**row)


def looks(
    source: Source,
    experiment: str,
    *,
    limit: int = 10_000,
    since: datetime | None = None,
    spread: bool = False,
) -> list[Look]:
    """The latest looks at an experiment, oldest first.

    Args:
        source: Where to read.
        experiment: Its name.
        limit: Maximum number.
        since: Only those taken at or after this.
        spread: True: of all of them every second, third and so on, and the last, instead of the latest.
    """
    # Documents are large: only those that are returned are read.
    rows = source.rows(
        "WITH counted AS (SELECT look_id, row_number() OVER (ORDER BY look_id DESC) - 1 AS later, "
        "count(*) OVER () AS n FROM experiment_looks "
        "WHERE experiment = $experiment AND ($since IS NULL OR taken_at >= $since)) "
        "SELECT experiment_looks.* FROM experiment_looks JOIN counted USING (look_id) "
        "WHERE NOT $spread OR later % greatest(ceil(n / $limit)::BIGINT, 1) = 0 "
        "ORDER BY look_id DESC LIMIT $limit",
        {"experiment": experiment, "limit": limit, "since": since, "spread": spread},
    )
    return [Look(**row) for row in reversed(rows)]
