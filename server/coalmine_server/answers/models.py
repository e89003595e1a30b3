"""What the API answers, field by field, with units. The command's `--json` prints the same.

Null means not known, which is never the same as zero: a cost is null where no price is known for the model.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of all answers: made from rows of the store by attribute."""

    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)


class Measures(Answer):
    """What is measured of a set of requests."""

    requests: int
    """Calls made."""
    errors: int
    """Calls that ended with an error."""
    error_rate: float | None
    """Errors per request, 0 to 1."""
    input_tokens: int | None
    """Tokens sent, cached ones included; a sum over the requests that say so."""
    output_tokens: int | None
    """Tokens received; a sum over the requests that say so."""
    cached_input_tokens: int | None
    """Tokens sent that the provider had in its cache; a sum over the requests that say so."""
    cost_usd: str | None
    """US dollars, exact decimal; a sum over the requests whose cost is known."""
    cost_usd_per_request: float | None
    """US dollars; a mean over the requests whose cost is known."""
    latency_ms_mean: float | None
    """Milliseconds."""
    latency_ms_p50: float | None
    """Milliseconds, within 1 %."""
    latency_ms_p95: float | None
    """Milliseconds, within 1 %."""
    time_to_first_token_ms_p50: float | None
    """Milliseconds, within 1 %."""
    time_to_first_token_ms_p95: float | None
    """Milliseconds, within 1 %."""
    quality_mean: float | None
    """Mean of the metric or score named `quality`."""
    feedback: int
    """Feedback events that found their request."""
    thumbs_up: int
    """Feedback with a thumb up."""
    thumbs_down: int
    """Feedback with a thumb down."""
    thumbs_up_rate: float | None
    """Thumbs up per thumb, 0 to 1."""


class _OfVersion(Answer):
    # As the second base class: pydantic lists these fields first.
    prompt: str
    """Name of the prompt."""
    version: str
    """Version of the prompt."""


class VersionRow(Measures, _OfVersion):
    """One version of a prompt."""

    environments: list[str]
    """Environments that served it."""
    models: list[str]
    """Models that answered: the response's name where there is one, else the request's."""
    first_event_time: datetime | None
    """When its first call began, UTC; to the rollups' resolution."""
    last_event_time: datetime | None
    """When its last call began, UTC; to the rollups' resolution."""


class Versions(Answer):
    """Versions, by prompt and version."""

    items: list[VersionRow]
    next_offset: int | None = None
    """The `offset` of the next page, or null."""


Step = Literal["minute", "5m", "15m", "hour", "6h", "day"]


class _InTime(_OfVersion):
    bucket_start: datetime
    """Where the stretch begins, UTC."""


class TimeseriesRow(Measures, _InTime):
    """One version of a prompt in one stretch of time."""


class Timeseries(Answer):
    """Measures over time, by time, prompt and version."""

    step: Step
    """Length of each stretch of time. Raw minutes age into hours and those into days."""
    items: list[TimeseriesRow]
    next_offset: int | None = None
    """The `offset` of the next page, or null."""


QuantileMetric = Literal["latency_ms", "time_to_first_token_ms", "cost_nano_usd"]


class QuantileValue(Answer):
    """One quantile."""

    q: float
    """Share of requests at or below the value, 0 to 1."""
    value: float | None
    """In the metric's unit, within 1 %."""


class QuantileRow(Answer):
    """Quantiles of one version of a prompt."""

    prompt: str
    version: str
    n: int
    """Requests that have the metric."""
    quantiles: list[QuantileValue]


class Quantiles(Answer):
    """Quantiles of a metric, by prompt and version."""

    metric: QuantileMetric
    """Its name ends with its unit."""
    items: list[QuantileRow]


class Facets(Answer):
    """What there is to choose from."""

    prompts: list[str]
    versions: dict[str, list[str]]
    """Versions by prompt."""
    environments: list[str]
    apps: list[str]
    first_event_time: datetime | None
    """When the first call began, UTC; null while there is none."""
    last_event_time: datetime | None
    """When the last call began, UTC."""


class Counts(Answer):
    """What became of the messages that were read, since the store was made."""

    consumed: int
    """Messages read."""
    stored: int
    """Events stored."""
    duplicates: int
    """Events that were stored already."""
    dead_lettered: int
    """Messages that cannot be events."""


class PartitionStatus(Answer):
    """One ordered stream of messages."""

    topic: str
    """A Kafka topic, or `spool`."""
    partition: str
    """A Kafka partition, or a spool file."""
    position: int | None
    """Next offset to read; null before the first commit."""
    lag: int | None
    """Messages that wait; null if unknown."""


class GapRow(Answer):
    """Positions that could not be read any more: a loss, recorded."""

    topic: str
    partition: str
    expected_offset: int
    available_offset: int
    reason: str
    detected_at: datetime


class StoreSizes(Answer):
    """What the store takes."""

    database_bytes: int
    """The DuckDB file."""
    segment_bytes: int
    """Parquet segments that are live."""
    segments: int
    """Number of live segments."""
    rows: dict[str, int]
    """Raw rows by event, hot table and segments together."""


class IngestStatus(Answer):
    """How the collector is."""

    state: Literal["running", "waiting", "embedded"]
    """`waiting`: the source cannot be read now, see `reason`. `embedded`: a command, without a server."""
    reason: str | None
    """Why it waits, or null."""
    source: Literal["kafka", "spool"]
    """Where events come from."""
    started_at: datetime
    """When this process took the store over, UTC."""
    last_commit_at: datetime | None
    """When a batch was last committed, UTC."""
    events_per_s: float
    """Messages committed per second, over the last ten seconds."""
    lag: int | None
    """Messages that wait in the source; null if unknown."""
    lag_note: str | None
    """Why the lag may be wrong now, or null."""
    counts: Counts
    """Over all events."""
    by_event: dict[str, Counts]
    """By event; `unroutable` are messages of which nothing says which event they are."""
    dead_letters_open: int
    """Dead letters that were neither replayed nor discarded."""
    unattributed_feedback: int
    """Feedback whose request has not come."""
    unattributed_scores: int
    """Scores whose request has not come."""
    ahead_of_clock: int
    """Events that claim to be from the future."""
    gaps: list[GapRow]
    """Losses, newest first, at most 100."""
    gaps_total: int
    """Number of losses."""
    partitions: list[PartitionStatus]
    """Positions and lags."""
    store: StoreSizes
    """What the store takes on disk."""


class DeadLetterRow(Answer):
    """A message that could not be stored."""

    dead_letter_id: str
    failed_at: datetime
    """When it was set aside, UTC."""
    source_topic: str
    source_partition: str
    source_offset: int
    source_timestamp: datetime | None
    """When it was produced, UTC, as far as the source knows."""
    event: str
    """Which event it was sent as; `unroutable` if nothing says so."""
    stage: str
    """Step that failed: `frame`, `decode` or `validate`."""
    reason: str
    """Why it failed."""
    schema_ref: str | None
    """Schema that the message named: `fingerprint:...` or `id:...`."""
    status: str
    """`open`, `replayed` or `discarded`."""
    size_bytes: int
    """Bytes of the message."""


class DeadLetters(Answer):
    """Dead letters, newest first."""

    items: list[DeadLetterRow]
    next_before: str | None = None
    """The `before` of the next page, or null."""


class DeadLetterDetail(DeadLetterRow):
    """A dead letter with its bytes."""

    payload_base64: str
    """The original message."""
    key_base64: str | None
    """Its key, if it had one."""


class StillFailing(Answer):
    """A dead letter that cannot be stored yet."""

    dead_letter_id: str
    reason: str


class DeadLettersChanged(Answer):
    """What became of the dead letters that were chosen."""

    action: Literal["replay", "discard"]
    selected: int
    """Open dead letters that were chosen."""
    replayed: int
    """Events that are stored now."""
    duplicates: int
    """Events that had been stored meanwhile."""
    discarded: int
    """Dead letters that were given up."""
    failing: list[StillFailing]
    """Those that stay open, and why."""


class AuditReport(Answer):
    """Whether everything adds up."""

    ok: bool


class Rebuilt(Answer):
    """What a rebuild of rollups and experiment cells did."""

    counted: int
    """Raw rows that were counted."""
    rebuilt_from: datetime | None
    """Earlier rollups were left as they are, because their raw rows have expired; null if all are new."""
    rows_before: dict[str, int]
    """Rows by table before."""
    rows_after: dict[str, int]
    """Rows by table after."""


class RebuildStatus(Answer):
    """How a rebuild in the server is coming on."""

    state: Literal["never", "running", "done", "failed"]
    """`never` since this server started; a rebuild that a stop interrupts leaves everything as it was."""
    counted: int
    """Raw rows counted so far."""
    total: int
    """Raw rows to count."""
    reason: str | None
    """Why it failed, or null."""
    result: Rebuilt | None
    """What the last one did, once it is done."""
