"""Changes of what environments serve."""

from collections.abc import Mapping
from typing import Any

from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.results import DeploymentMark, MarkArm, MarkExperiment
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader


def deployment_marks(reader: Reader, filters: Filters, limit: int) -> list[DeploymentMark]:
    """Returns the newest changes in a period, oldest first.

    Args:
        reader: Of the store.
        filters: Prompt, environment and period; deployments have no version or app.
        limit: Maximum number of changes.
    """
    parameters = {
        "prompt": filters.prompt,
        "among": None if filters.among is None else [*filters.among],
        "environment": filters.environment,
        "since": filters.since,
        "until": filters.until,
        "limit": limit,
    }
    rows = reader.rows(statement("deployment_marks", __package__), parameters)
    return [
        DeploymentMark(**{**row, "experiments": [_experiment(each) for each in row["experiments"]]})
        for row in rows
    ]


def _experiment(row: Mapping[str, Any]) -> MarkExperiment:
    return MarkExperiment(**{**row, "arms": [MarkArm(**arm) for arm in row["arms"]]})
