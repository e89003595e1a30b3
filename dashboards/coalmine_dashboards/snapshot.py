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

_AT_ONCE: Final = 4
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
    models: Callable[[], Sequence[ModelBegan]],
    drawn: Callable[[list[VersionRow]], Collection[VersionKey]],
) -> Snapshot:
    """Fetches everything that the page shows.

    Args:
        client: Asks the server.
        selection: What is shown.
        now: The time.
        models: Finds the models that began to answer.
        drawn: Which of the versions are drawn over time: where there are many, only these are asked for.

    Raises:
        ApiError: One of the requests failed.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        versions, ingest = pool.submit(client.versions, selection), pool.submit(if_allowed, client.ingest)
        marks = pool.submit(client.deployment_marks, selection)
        facets = client.facets()
        together = pool.submit(client.timeseries, selection) if _are_few(facets, selection.prompt) else None
        began = [*models()]
        found = versions.result()
        if together is not None:
            timeseries = together.result()
        elif len(found) <= _MOST_TOGETHER:
            timeseries = client.timeseries(selection)
        else:
            timeseries = _over_time(client, selection, drawn(found))
        return Snapshot(
            taken_at=now,
            selection=selection,
            facets=facets,
            ingest=ingest.result(),
            versions=found,
            timeseries=timeseries,
            marks=marks.result(),
            models=began,
        )


def _are_few(facets: Facets, prompt: str | None) -> bool:
    """True if so few versions are known that those of any period can be asked for together."""
    known = [each for name, each in facets.versions.items() if prompt in (None, name)]
    return facets.complete and sum(map(len, known)) <= _MOST_TOGETHER


def _over_time(client: ApiClient, selection: Selection, drawn: Collection[VersionKey]) -> Timeseries:
    """The measures over time of the versions that are drawn, one by one."""
    (prompt, version), *others = sorted(drawn)
    first = client.timeseries(replace(selection, prompt=prompt), version=version)
    items = [*first.items]
    for prompt, version in others:
        items += client.timeseries(replace(selection, prompt=prompt), first.step, version).items
    return replace(first, items=items)
