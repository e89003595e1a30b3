"""When what is served changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader


@dataclass(frozen=True, slots=True)
class DeploymentMark:
    """One change of what an environment serves of a prompt."""

    event_time: datetime
    environment: str
    prompt: str
    revision: int
    version: str | None
    """Default version from then on."""
    experiment: str | None
    """Experiment that ran from then on."""
    allocation_epoch: int | None
    arms: tuple[dict[str, Any], ...]
    """Of the experiment: variant, version, weight."""
    action: str
    changed_by: str
    reason: str | None


def deployment_marks(reader: Reader, filters: Filters, limit: int) -> list[DeploymentMark]:
    """The newest changes in a stretch of time, oldest first.

    Args:
        reader: Of the store.
        filters: Prompt, environment and time; the others say nothing of deployments.
        limit: Most changes to return.
    """
    parameters = {
        "prompt": filters.prompt,
        "environment": filters.environment,
        "since": filters.since,
        "until": filters.until,
        "limit": limit,
    }
    rows = reader.table(statement("deployment_marks", __package__), parameters).to_pylist()
    return [DeploymentMark(**{**row, "arms": tuple(row["arms"])}) for row in rows]
