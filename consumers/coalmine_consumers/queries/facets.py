"""The values there are to choose from."""

from collections.abc import Sequence

from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.results import Facets
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader

MOST_FACETS = 10_000
"""Versions, environments, apps or models that are listed at most: people choose from the list."""


def facets(reader: Reader, most: int = MOST_FACETS, *, among: Sequence[str] | None = None) -> Facets:
    """Returns every prompt, version, environment, app and model that had requests; of very many the latest.

    Args:
        reader: Of the store.
        most: Maximum number of each.
        among: Only of prompts that match one of these patterns; None for all.
    """
    parameters = {"most": most + 1, "among": None if among is None else [*among]}
    rows = reader.rows(statement("facets", __package__), parameters)
    of_versions = [row for row in rows if row["version"] is not None]
    environments = [row["environment"] for row in rows if row["environment"] is not None]
    apps = [row["app"] for row in rows if row["app"] is not None]
    models = [row["model"] for row in rows if row["model"] is not None]
    versions: dict[str, set[str]] = {}
    for row in of_versions[:most]:
        versions.setdefault(row["prompt"], set()).add(row["version"])
    return Facets(
        prompts=sorted(versions),
        versions={prompt: sorted(found, key=version_key) for prompt, found in sorted(versions.items())},
        environments=sorted(environments[:most]),
        apps=sorted(apps[:most]),
        models=sorted(models[:most]),
        complete=max(map(len, (of_versions, environments, apps, models))) <= most,
        first_event_time=min((time for row in rows if (time := row["first_event_time"])), default=None),
        last_event_time=max((time for row in rows if (time := row["last_event_time"])), default=None),
    )
