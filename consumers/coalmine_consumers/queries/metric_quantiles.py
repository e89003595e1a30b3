"""Quantiles of a metric, from histograms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from coalmine_consumers.queries.cover import cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import histograms, kept_from
from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.errors import InvalidParameter

QuantileMetric = Literal["latency_ms", "time_to_first_token_ms", "cost_nano_usd"]


@dataclass(frozen=True, slots=True)
class QuantileValue:
    """One quantile."""

    q: float
    value: float | None
    """In the metric's unit, within 1 % of the exact value."""


@dataclass(frozen=True, slots=True)
class QuantileRow:
    """Quantiles of one version of a prompt."""

    prompt: str
    version: str
    n: int
    """Requests that have the metric."""
    quantiles: list[QuantileValue]


def quantiles(
    reader: Reader,
    metric: QuantileMetric,
    at: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
    filters: Filters | None = None,
) -> list[QuantileRow]:
    """Quantiles of every version that has the metric, by prompt and by precedence of the version.

    Raises:
        InvalidParameter: No such metric, or a quantile outside [0, 1].
    """
    if metric not in get_args(QuantileMetric):
        raise InvalidParameter(f"no histogram is kept of {metric}")
    if not all(0 <= q <= 1 for q in at):
        raise InvalidParameter("quantiles lie between 0 and 1")
    filters = filters or Filters()
    with reader.snapshot() as snapshot:
        pieces = cover(filters.since, filters.until, kept_from(snapshot))
        found = histograms(snapshot, filters, pieces, [metric], bucket_s=None)
    rows = [
        QuantileRow(
            prompt,
            version,
            histogram.n,
            [QuantileValue(q, value) for q, value in zip(at, histogram.quantiles(at), strict=True)],
        )
        for (_, prompt, version, _), histogram in found.items()
    ]
    return sorted(rows, key=lambda row: (row.prompt, version_key(row.version)))
