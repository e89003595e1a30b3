"""What there is to choose from."""

from dataclasses import dataclass
from datetime import datetime

from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Facets:
    """Values of each dimension, sorted, and the time they span."""

    prompts: list[str]
    versions: dict[str, list[str]]
    """Of each prompt, by precedence."""
    environments: list[str]
    apps: list[str]
    first_event_time: datetime | None
    last_event_time: datetime | None


def facets(reader: Reader) -> Facets:
    """Every prompt, version, environment and app that had requests."""
    rows = reader.table(statement("facets", __package__)).to_pylist()
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
