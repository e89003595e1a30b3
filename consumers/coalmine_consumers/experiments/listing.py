"""Which experiments there are, and how their units were to be split among arms."""

from coalmine_consumers.results import ExperimentRow
from coalmine_consumers.sql import Source, statement


def experiments(source: Source) -> list[ExperimentRow]:
    """Returns every experiment that had requests, by name."""
    rows = source.rows(statement("experiments", __package__))
    return [ExperimentRow(**{**row, "arms": row["arms"] or []}) for row in rows]


def allocations(source: Source, experiment: str) -> dict[int, dict[str, float]]:
    """Returns the planned weight of each arm, by allocation epoch.

    Taken from the registry's deployment events: empty where no deployment of it was seen. Arms
    come in the order of the deployment: treatments first, control last.
    """
    rows = source.rows(statement("allocations", __package__), {"experiment": experiment})
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        weights: dict[str, float] = {}
        for arm in row["arms"]:
            weights[arm["variant"]] = weights.get(arm["variant"], 0.0) + arm["weight"]
        if sum(weights.values()) > 0:
            found[row["epoch"]] = weights
    return found


def deployment_changes(source: Source) -> int:
    """Returns how many changes of deployments are stored: until there are more, allocations are as before."""
    (row,) = source.rows("SELECT count(*) AS changes FROM deployments")
    return int(row["changes"])


def last_batch(source: Source) -> int:
    """Returns the last batch that was stored; 0 if there is none."""
    (row,) = source.rows("SELECT coalesce(max(ingest_id), 0) AS last FROM batches")
    return int(row["last"])
