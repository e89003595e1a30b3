"""How units were to be split among the arms of an experiment, as the registry's deployment events say."""

from coalmine_consumers.queries.measures import Source
from coalmine_consumers.sql import statement


def allocations(source: Source, experiment: str) -> dict[int, dict[str, float]]:
    """Planned weight of each arm, by allocation epoch; nothing where no deployment of it was seen.

    Arms come in the order of the deployment: treatments first, control last.
    """
    rows = source.table(statement("allocations", __package__), {"experiment": experiment}).to_pylist()
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        weights: dict[str, float] = {}
        for arm in row["arms"]:
            weights[arm["variant"]] = weights.get(arm["variant"], 0.0) + arm["weight"]
        if sum(weights.values()) > 0:
            found[row["epoch"]] = weights
    return found
