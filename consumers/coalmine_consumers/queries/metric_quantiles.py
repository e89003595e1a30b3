"""Quantiles of a metric, from histograms."""

from collections.abc import Sequence
from typing import get_args

from coalmine_consumers.queries.cover import cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import histograms, kept_from, matching_versions
from coalmine_consumers.results import QuantileMetric, QuantileRow, Quantiles, QuantileValue
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.errors import InvalidParameter


def quantiles(
    reader: Reader,
    metric: QuantileMetric,
    at: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
    filters: Filters | None = None,
) -> Quantiles:
    """Returns quantiles of every version that has the metric, by prompt and by precedence of the version.

    Raises:
        InvalidParameter: There is no such metric, or a quantile is outside [0, 1].
    """
    if metric not in get_args(QuantileMetric):
        raise InvalidParameter(f"no histogram is kept of {metric}")
    if not all(0 <= q <= 1 for q in at):
        raise InvalidParameter("quantiles must be between 0 and 1")
    filters = filters or Filters()
    with reader.snapshot() as snapshot:
        pieces = cover(filters.since, filters.until, kept_from(snapshot))
        names = matching_versions(snapshot, filters, pieces)
        found = histograms(snapshot, filters, pieces, names, [metric])
    rows = [
        QuantileRow(
            prompt,
            version,
            histogram.n,
            [QuantileValue(q, value) for q, value in zip(at, histogram.quantiles(at), strict=True)],
        )
        for prompt, version in names
        if (histogram := found.get((None, prompt, version, metric))) is not None
    ]
    return Quantiles(metric, rows)
