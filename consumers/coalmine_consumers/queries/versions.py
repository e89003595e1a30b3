"""Versions of prompts, compared over a stretch of time."""

from dataclasses import dataclass
from datetime import datetime

from coalmine_consumers.queries.cover import cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import Measures, kept_from, measured_groups
from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.store.reader import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow(Measures):
    """One version of a prompt."""

    prompt: str
    version: str
    environments: list[str]
    """That served it, sorted."""
    models: list[str]
    """That answered, sorted: the response's name where there is one, else the request's."""
    variants: list[str]
    """Arms of experiments that chose it, sorted; empty where none did."""
    first_event_time: datetime | None
    """Of its requests in the buckets that were read; a bucket is never split."""
    last_event_time: datetime | None


def versions(reader: Reader, filters: Filters | None = None) -> list[VersionRow]:
    """Measures of every version that had requests, by prompt and by precedence of the version."""
    filters = filters or Filters()
    with reader.snapshot() as snapshot:
        pieces = cover(filters.since, filters.until, kept_from(snapshot))
        groups = list(measured_groups(snapshot, filters, pieces, bucket_s=None))
    rows = [
        VersionRow(
            prompt=group.key[1],
            version=group.key[2],
            environments=group.totals["environments"],
            models=group.totals["models"],
            variants=group.totals["variants"],
            first_event_time=group.totals["first_event_time"],
            last_event_time=group.totals["last_event_time"],
            **group.measures,
        )
        for group in groups
    ]
    return sorted(rows, key=lambda row: (row.prompt, version_key(row.version)))
