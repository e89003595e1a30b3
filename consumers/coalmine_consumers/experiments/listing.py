"""Which experiments there are."""

from coalmine_consumers.queries.measures import Source
from coalmine_consumers.results import ExperimentRow
from coalmine_consumers.sql import statement


def experiments(source: Source) -> list[ExperimentRow]:
    """Every experiment that had requests, by name."""
    rows = source.table(statement("experiments", __package__)).to_pylist()
    return [ExperimentRow(**{**row, "arms": row["arms"] or []}) for row in rows]
