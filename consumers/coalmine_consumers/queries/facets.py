"""The values there are to choose from."""

from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.results import Facets
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader


def facets(reader: Reader) -> Facets:
    """Returns every prompt, version, environment and app that had requests."""
    rows = reader.rows(statement("facets", __package__))
    versions: dict[str, set[str]] = {}
    for row in rows:
        versions.setdefault(row["prompt"], set()).add(row["version"])
    return Facets(
        prompts=sorted(versions),
        versions={prompt: sorted(found, key=version_key) for prompt, found in sorted(versions.items())},
        environments=sorted({row["environment"] for row in rows}),
        apps=sorted({row["app"] for row in rows}),
        first_event_time=min((time for row in rows if (time := row["first_event_time"])), default=None),
        last_event_time=max((time for row in rows if (time := row["last_event_time"])), default=None),
    )
