"""Everything one refresh of the page fetches, all about the same moment."""

from dataclasses import dataclass
from datetime import datetime

from coalmine_dashboards.api import (
    ApiClient,
    DeploymentMark,
    Facets,
    IngestStatus,
    Selection,
    Timeseries,
    VersionRow,
)

__all__ = ["Snapshot", "fetch"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the server said at one moment."""

    taken_at: datetime
    selection: Selection
    facets: Facets
    ingest: IngestStatus
    versions: tuple[VersionRow, ...]
    timeseries: Timeseries
    marks: tuple[DeploymentMark, ...] = ()


def fetch(client: ApiClient, selection: Selection, now: datetime) -> Snapshot:
    """Ask for everything.

    Raises:
        ApiError: The server gave no usable answer to one of the questions.
    """
    return Snapshot(
        taken_at=now,
        selection=selection,
        facets=client.facets(),
        ingest=client.ingest(),
        versions=client.versions(selection),
        timeseries=client.timeseries(selection),
        marks=client.deployment_marks(selection),
    )
