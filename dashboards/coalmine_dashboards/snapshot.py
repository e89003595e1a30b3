"""The data of one refresh of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coalmine_consumers.results import DeploymentMark, Facets, IngestStatus, Timeseries, VersionRow
from coalmine_dashboards.api import ApiClient, Selection
from coalmine_dashboards.views.marks import ModelBegan

__all__ = ["Snapshot", "fetch"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The server's answers to one refresh."""

    taken_at: datetime
    selection: Selection
    facets: Facets
    ingest: IngestStatus
    versions: list[VersionRow]
    timeseries: Timeseries
    marks: list[DeploymentMark]
    models: list[ModelBegan]


def fetch(
    client: ApiClient, selection: Selection, now: datetime, models: Sequence[ModelBegan] = ()
) -> Snapshot:
    """Fetches everything that the page shows.

    Args:
        client: Asks the server.
        selection: What is shown.
        now: The time.
        models: Models that began to answer, which change more rarely.

    Raises:
        ApiError: One of the requests failed.
    """
    return Snapshot(
        taken_at=now,
        selection=selection,
        facets=client.facets(),
        ingest=client.ingest(),
        versions=client.versions(selection),
        timeseries=client.timeseries(selection),
        marks=client.deployment_marks(selection),
        models=[*models],
    )
