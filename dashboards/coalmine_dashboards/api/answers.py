"""What the API answers, as far as the page shows it. Null means not known, never zero."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from coalmine_dashboards.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What is measured of a set of calls."""

    prompt: str
    version: str
    requests: int
    errors: int
    error_rate: float | None
    """0 to 1."""
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    """US dollars, over the calls whose cost is known."""
    cost_usd_per_request: float | None
    """US dollars, over the calls whose cost is known."""
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    quality_mean: float | None
    thumbs_up: int
    thumbs_down: int
    thumbs_up_rate: float | None
    """0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow(Measures):
    """One version of a prompt over the time asked for."""

    environments: tuple[str, ...]
    models: tuple[str, ...]
    first_event_time: datetime | None
    last_event_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeseriesRow(Measures):
    """One version of a prompt in one stretch of time."""

    bucket_start: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentMark:
    """One change of what an environment serves of a prompt."""

    event_time: datetime
    environment: str
    prompt: str
    version: str | None
    experiment: str | None
    action: str
    changed_by: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeseries:
    """Measures over time."""

    step: Step
    """Length of each stretch."""
    items: tuple[TimeseriesRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What there is to choose from."""

    prompts: tuple[str, ...]
    versions: dict[str, tuple[str, ...]]
    """Versions by prompt."""
    environments: tuple[str, ...]
    first_event_time: datetime | None
    last_event_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the messages that were read."""

    consumed: int
    stored: int
    duplicates: int
    dead_lettered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestStatus:
    """How the collector is."""

    state: str
    """`running`, `waiting` or `embedded`; a newer server may know more."""
    reason: str | None
    """Why it waits."""
    source: str
    """`kafka` or `spool`."""
    last_commit_at: datetime | None
    events_per_s: float
    lag: int | None
    """Messages that wait; null if unknown."""
    lag_note: str | None
    counts: Counts
    dead_letters_open: int
    unattributed_feedback: int
    unattributed_scores: int
    gaps_total: int
