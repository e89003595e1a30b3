"""The data of one refresh of the page."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from coalmine_consumers.results import DeploymentMark, Facets, IngestStatus, Timeseries, VersionRow
from coalmine_dashboards.api import ApiClient, Selection, if_allowed
from coalmine_dashboards.palette import VersionKey
from coalmine_dashboards.views.marks import ModelBegan

__all__ = ["Snapshot", "fetch"]

_AT_ONCE: Final = 3
"""Questions beside the one that others wait for."""
_MOST_TOGETHER: Final = 24
"""Versions whose measures over time are asked for at once."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The server's answers to one refresh."""

    taken_at: datetime
    selection: Selection
    facets: Facets
    ingest: IngestStatus | None
    """None: not for a viewer of some prompts."""
    versions: list[VersionRow]
    timeseries: Timeseries
    marks: list[DeploymentMark]
    models: list[ModelBegan]


def fetch(
    client: ApiClient,
    selection: Selection,
    now: datetime,
    models: Sequence[ModelBegan],
    drawn: Callable[[list[VersionRow]], Collection[VersionKey]],
) -> Snapshot:
    """Fetches everything that the page shows.

    Args:
        client: Asks the server.
        selection: What is shown.
        now: The time.
        models: Models that began to answer, which change more rarely.
        drawn: Which of the versions are drawn over time: where there are many, only these are asked for.

    Raises:
        ApiError: One of the requests failed.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        facets, ingest = pool.submit(client.facets), pool.submit(if_allowed, client.ingest)
        marks = pool.submit(client.deployment_marks, selection)
        versions = client.versions(selection)
        return Snapshot(
            taken_at=now,
            selection=selection,
            facets=facets.result(),
            ingest=ingest.result(),
            versions=versions,
            timeseries=_over_time(client, selection, versions, drawn(versions)),
            marks=marks.result(),
            models=[*models],
        )


def _over_time(
    client: ApiClient, selection: Selection, versions: list[VersionRow], drawn: Collection[VersionKey]
) -> Timeseries:
    """The measures over time of all versions, or of those that are drawn."""
    if len(versions) <= _MOST_TOGETHER:
        return client.timeseries(selection)
    (prompt, version), *others = sorted(drawn)
    first = client.timeseries(replace(selection, prompt=prompt), version=version)
    items = [*first.items]
    for prompt, version in others:
        items += client.timeseries(replace(selection, prompt=prompt), first.step, version).items
    return replace(first, items=items)
