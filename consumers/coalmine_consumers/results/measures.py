"""What was measured of prompts and their versions.

None means not known, which is never the same as zero: a cost is None where no price is known for the model.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from coalmine_schemas.results import result

Step = Literal["minute", "5m", "15m", "hour", "6h", "day"]
StepChoice = Step | Literal["auto"]
QuantileMetric = Literal["latency_ms", "time_to_first_token_ms", "cost_nano_usd"]
MeasuredMetric = Literal["latency_ms", "time_to_first_token_ms"]
"""Metrics whose quantiles are among the measures."""


# Bases without slots of their own: of two bases that have some, Python makes no class.
@dataclass(frozen=True)
class _OfVersion:
    __slots__ = ()

    prompt: str
    """Name of the prompt."""
    version: str
    """Version of the prompt."""


@dataclass(frozen=True)
class _InTime(_OfVersion):
    __slots__ = ()

    bucket_start: datetime
    """Start of the bucket, UTC."""


@dataclass(frozen=True)
class Measures:
    """Measures of a set of requests. Base of rows."""

    __slots__ = ()

    requests: int
    """Number of LLM calls."""
    errors: int
    """Calls that ended with an error."""
    error_rate: float | None
    """Errors per request, 0 to 1."""
    input_tokens: int | None
    """Tokens sent, cached ones included; a sum over the requests that report them."""
    output_tokens: int | None
    """Tokens received; a sum over the requests that report them."""
    cached_input_tokens: int | None
    """Tokens sent that the provider had in its cache; a sum over the requests that report them."""
    cost_usd: float | None
    """US dollars; a sum over the requests whose cost is known."""
    cost_nano_usd: int | None
    """The same in nano-dollars (1e-9 USD), exact."""
    cost_usd_per_request: float | None
    """US dollars; a mean over the requests whose cost is known."""
    priced_requests: int
    """Requests whose cost is known."""
    latency_ms_mean: float | None
    """Mean latency, milliseconds."""
    latency_ms_p50: float | None
    """Median latency, milliseconds, within 1 %."""
    latency_ms_p95: float | None
    """95th percentile of latency, milliseconds, within 1 %."""
    time_to_first_token_ms_p50: float | None
    """Median time to first token, milliseconds, within 1 %."""
    time_to_first_token_ms_p95: float | None
    """95th percentile of the time to first token, milliseconds, within 1 %."""
    quality_mean: float | None
    """Mean of the metric or score named `quality`."""
    quality_n: int
    """Values that this mean is of."""
    feedback: int
    """Units that gave feedback, each once for each call: its last word counts."""
    thumbs_up: int
    """Those whose last thumb is up."""
    thumbs_down: int
    """Those whose last thumb is down."""
    thumbs_up_rate: float | None
    """Thumbs up per thumb, 0 to 1."""


@result
class VersionRow(Measures, _OfVersion):
    """One version of a prompt."""

    environments: list[str]
    """Environments that served it, sorted."""
    models: list[str]
    """Models that answered, sorted: the response's name where there is one, else the request's."""
    variants: list[str]
    """Arms of experiments that chose it, sorted; empty where none did."""
    preferred: bool
    """True for the row of requests whose users preferred it among the versions offered."""
    first_event_time: datetime | None
    """Start of its first call in the buckets read, UTC; a bucket of rollups is never split."""
    last_event_time: datetime | None
    """Start of its last call in the buckets read, UTC."""


@result
class QuantityRow(Measures):
    """Requests that dimensions do not tell apart. Of a dimension that was not asked for, the name is null."""

    prompt: str | None
    """Name of the prompt."""
    version: str | None
    """Version of the prompt."""
    model: str | None
    """Model that answered: the response's name where there is one, else the request's."""
    environment: str | None
    """Name of the environment."""
    app: str | None
    """Name of the application."""
    segment: str | None
    """Value of the segment asked for; empty for requests without it."""
    environments: list[str]
    """Environments that served it, sorted."""
    models: list[str]
    """Models that answered, sorted."""
    variants: list[str]
    """Arms of experiments that chose it, sorted; empty where none did."""
    preferred: bool
    """True for the row of requests whose users preferred the version among the versions offered."""
    first_event_time: datetime | None
    """Start of its first call in the period read, UTC."""
    last_event_time: datetime | None
    """Start of its last call in the period read, UTC."""


@result
class UnpricedRow:
    """A model with calls whose cost is not known."""

    model: str
    """Name of the model: the response's where there is one, else the request's."""
    requests: int
    """Number of LLM calls."""
    errors: int
    """Calls that ended with an error."""
    priced_requests: int
    """Calls whose cost is known."""
    without_usage: int
    """Of the calls without a cost, those that say no tokens: failed or cancelled ones, and streams that were
    not asked for usage."""
    without_price: int
    """The others: they say tokens, but no price of the model, or of its service tier, is known: add it to
    `pricing.toml`. Calls whose cost a gateway or the service stated without tokens hide as many of them."""


@result
class TimeseriesRow(Measures, _InTime):
    """One version of a prompt in one bucket of time."""


@result
class Timeseries:
    """Measures over time, by time, prompt and version."""

    step: Step
    """Length of each bucket. Rollups by the minute are kept for a while only, then hours, then days."""
    items: list[TimeseriesRow]
    """The rows of this page."""
    next_cursor: str | None
    """Pass it as `cursor` to get the next page; null on the last page."""


@result
class QuantileValue:
    """One quantile."""

    q: float
    """Share of requests at or below the value, 0 to 1."""
    value: float | None
    """In the metric's unit, within 1 %."""


@result
class QuantileRow:
    """Quantiles of one version of a prompt."""

    prompt: str
    """Name of the prompt."""
    version: str
    """Version of the prompt."""
    n: int
    """Requests that have the metric."""
    quantiles: list[QuantileValue]
    """In the order asked for."""


@result
class Quantiles:
    """Quantiles of a metric, by prompt and version."""

    metric: QuantileMetric
    """Its name ends with its unit."""
    items: list[QuantileRow]
    """One row for each version that has the metric."""


@result
class Facets:
    """The values to choose from, and the period they cover."""

    prompts: list[str]
    """Prompts with requests, sorted."""
    versions: dict[str, list[str]]
    """Versions by prompt, in order of precedence."""
    environments: list[str]
    """Environments with requests, sorted."""
    apps: list[str]
    """Applications with requests, sorted."""
    complete: bool
    """False where there are more than are listed: the most recent ones are."""
    first_event_time: datetime | None
    """Start of the first call, UTC; null while there is none."""
    last_event_time: datetime | None
    """Start of the last call, UTC; null while there is none."""
    models: list[str] = field(default_factory=list)
    """Models that answered, sorted."""


@result
class MarkArm:
    """One arm of an experiment."""

    variant: str
    """Name of the arm."""
    version: str
    """Version it serves."""
    weight: float
    """Share of units, 0 to 1."""


@result
class MarkExperiment:
    """One experiment that an environment runs on a prompt."""

    name: str
    """Name of the experiment."""
    rule: str | None
    """Targeting rule whose version it replaces; null if it replaces the default, or if that is not known."""
    allocation_epoch: int | None
    """Epoch of its allocations, or null if that is not known."""
    arms: list[MarkArm]
    """Its arms, control last."""


@result
class DeploymentMark:
    """One change of what an environment serves of a prompt."""

    event_time: datetime
    """Time of the change, UTC."""
    environment: str
    """Environment that was changed."""
    prompt: str
    """Name of the prompt."""
    revision: int
    """Counts changes of this prompt in this environment, from 1."""
    version: str | None
    """Default version from then on; null if none is served."""
    experiments: list[MarkExperiment]
    """Experiments that ran from then on: that of the default first, then by the order of their rules."""
    action: str
    """What was done, e.g. `promote`."""
    changed_by: str
    """Name of the token that made the change."""
    reason: str | None
    """Reason given for the change, or null."""
    rollout: str | None
    """Rollout that made the change, or null."""
    rollout_decision: int | None
    """Number of its decision, or null if no rollout made the change."""


@result
class ModelUse:
    """A model that answered lately in an environment."""

    environment: str
    """Name of the environment."""
    model: str
    """Name of the model: the response's where there is one, else the request's."""
    prompts: list[str]
    """Prompts that it answered for lately, those with the most requests first; at most 20."""
    prompts_in_all: int
    """Number of all of them."""
    requests: int
    """LLM calls lately."""
    first_seen: datetime
    """Start of the first call that it ever answered there, UTC."""
    last_seen: datetime
    """Start of the last one, UTC."""
