"""Measures over time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from coalmine_consumers.queries.cover import BEGINNING, END, KeptFrom, Piece, floor
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import Measures, Source, kept_from, measured_groups
from coalmine_consumers.queries.steps import RESOLUTION_OF, STEP_S, Step, ceiling_to_step, floor_to_step
from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.store.reader import Reader

StepChoice = Step | Literal["auto"]

MOST_POINTS = 180
"""With the step chosen by itself, a line has at most about this many points."""

_SPAN = """
SELECT min(first_event_time) AS first, max(last_event_time) AS last FROM rollups WHERE resolution = 'day'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeseriesRow(Measures):
    """One version of a prompt in one bucket of time."""

    bucket_start: datetime
    prompt: str
    version: str


@dataclass(frozen=True, slots=True)
class Timeseries:
    """Rows by time, prompt and version, and the step they were made at."""

    step: Step
    items: list[TimeseriesRow]


def timeseries(reader: Reader, filters: Filters | None = None, step: StepChoice = "auto") -> Timeseries:
    """Measures of every version in every bucket that had requests.

    A step finer than what is still kept for the beginning of the stretch becomes the finest that is.
    """
    filters = filters or Filters()
    with reader.snapshot() as snapshot:
        chosen = _choose(snapshot, filters, step)
        since = BEGINNING if filters.since is None else floor_to_step(filters.since, chosen)
        until = END if filters.until is None else ceiling_to_step(filters.until, chosen)
        piece = Piece(RESOLUTION_OF[chosen], since, until)
        groups = list(measured_groups(snapshot, filters, [piece], bucket_s=STEP_S[chosen]))
    rows = [
        TimeseriesRow(bucket_start=bucket, prompt=prompt, version=version, **group.measures)
        for group in groups
        for bucket, prompt, version in [group.key]
        if bucket is not None
    ]
    return Timeseries(chosen, sorted(rows, key=_order))


def _order(row: TimeseriesRow) -> tuple[object, ...]:
    return (row.bucket_start, row.prompt, version_key(row.version))


def _choose(source: Source, filters: Filters, step: StepChoice) -> Step:
    (span,) = source.table(_SPAN).to_pylist()
    now = datetime.now(UTC)
    first = max(span["first"] or now, filters.since or BEGINNING)
    last = min(span["last"] or now, filters.until or END)
    return choose_step(first, last, step, kept_from(source))


def choose_step(first: datetime, last: datetime, step: StepChoice, kept: KeptFrom) -> Step:
    """The finest step that is complete from `first` on and, for "auto", gives few enough points."""
    for candidate, length_s in STEP_S.items():
        if step != "auto" and length_s < STEP_S[step]:
            continue
        fits = step != "auto" or last - first <= MOST_POINTS * timedelta(seconds=length_s)
        resolution = RESOLUTION_OF[candidate]
        if fits and kept.get(resolution, BEGINNING) <= floor(first, resolution):
            return candidate
    return "day"
