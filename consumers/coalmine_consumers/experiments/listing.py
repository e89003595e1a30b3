"""Which experiments there are."""

from dataclasses import dataclass

from coalmine_consumers.queries.measures import Source
from coalmine_consumers.sql import statement


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """One experiment, as its requests tell of it."""

    experiment: str
    requests: int
    epochs: list[int]
    """Allocation epochs, ascending; 0 stands for requests that do not say."""
    arms: list[str]
    """Sorted."""


def experiments(source: Source) -> list[ExperimentRow]:
    """Every experiment that had requests, by name."""
    rows = source.table(statement("experiments", __package__)).to_pylist()
    return [ExperimentRow(**{**row, "arms": row["arms"] or []}) for row in rows]
