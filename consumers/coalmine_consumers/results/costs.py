"""What calls cost, by one dimension at a time."""

from datetime import datetime
from typing import Literal

from coalmine_consumers.results.measures import Step
from coalmine_schemas.results import result

CostDimension = Literal["prompt", "version", "model", "app", "environment", "segment", "user"]


@result
class CostRow:
    """What the calls of one group cost."""

    name: str | None
    """Value that its calls share; null for calls without the segment. Of a user, admins see the identifier
    and others the rank: `#1`."""
    prompt: str | None
    """Prompt of a version; null for other dimensions."""
    requests: int
    """Number of LLM calls."""
    errors: int
    """Calls that ended with an error."""
    priced_requests: int
    """Calls whose cost is known."""
    models: list[str]
    """Models that answered, sorted; empty for segments and users."""
    input_tokens_per_request: float | None
    """Tokens sent, cached ones included; a mean over the calls that report them."""
    cached_input_tokens_per_request: float | None
    """Tokens sent that the provider had in its cache; a mean over the calls that report any tokens sent."""
    output_tokens_per_request: float | None
    """Tokens received; a mean over the calls that report them."""
    cost_usd: float | None
    """US dollars; a sum over the calls whose cost is known."""
    cost_nano_usd: int | None
    """The same in nano-dollars (1e-9 USD), exact."""
    cost_usd_per_request: float | None
    """US dollars; a mean over the calls whose cost is known."""
    cost_usd_per_request_sd: float | None
    """Standard deviation of the cost of a call, US dollars; null for fewer than two."""


@result
class CostPoint:
    """What a group cost in one bucket of time."""

    bucket_start: datetime
    """Start of the bucket, UTC."""
    name: str | None
    """As in `items`; null for calls without the segment, and for the other groups."""
    prompt: str | None
    """Prompt of a version; null for other dimensions."""
    others: bool
    """True for all groups together that the series does not tell apart."""
    requests: int
    """Number of LLM calls."""
    cost_usd: float
    """US dollars; a sum over the calls whose cost is known."""


@result
class Costs:
    """What is spent, by one dimension, the costliest first."""

    by: CostDimension
    """What is told apart."""
    segment: str | None
    """Key of the segment, where `by` is `segment`; null if no call has any."""
    segment_keys: list[str]
    """Keys to choose from, where `by` is `segment`: the most used first."""
    since: datetime | None
    """From when on calls count; null: all. Segments and users are in raw rows only, which are read for some
    days."""
    groups: int
    """Number of groups, of which `items` are the costliest."""
    requests: int
    """Number of LLM calls, of all groups."""
    priced_requests: int
    """Calls whose cost is known, of all groups."""
    cost_usd: float | None
    """US dollars, of all groups; a sum over the calls whose cost is known."""
    items: list[CostRow]
    """The costliest groups."""
    step: Step
    """Length of each bucket of `series`."""
    series: list[CostPoint]
    """Cost over time of the costliest groups, and of the others together."""
