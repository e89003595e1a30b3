"""What was measured of prompts and their versions.

Null means not known, which is never the same as zero: a cost is null where no price is known for the model.
"""

from datetime import datetime
from typing import Literal

from coalmine_server.services.models.base import Answer


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
    variants: list[str]
    """Arms of experiments that chose it; empty where none did."""
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
