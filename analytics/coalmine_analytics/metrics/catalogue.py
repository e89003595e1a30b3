"""The built-in metrics, and how every other name found in the data becomes one."""

from collections.abc import Iterable, Mapping

from coalmine_analytics.metrics.metric import Metric, MetricOverride
from coalmine_analytics.results.catalogue import MetricRow
from coalmine_consumers.aggregation.cells import BUILT_IN as BUILT_IN_CELLS
from coalmine_consumers.aggregation.cells import PER_UNIT
from coalmine_schemas.size import Size


def _relative(share: float) -> Size:
    return Size(share, relative=True)


BUILT_IN: tuple[Metric, ...] = (
    # name, kind, unit, direction, cells
    Metric("quality", "mean", "", "higher", "quality", role="must_prove", margin=_relative(0.03),
           description="Mean of the metric or score named quality."),
    Metric("thumbs_up_rate", "rate", "share", "higher", "thumbs_up", role="must_not_harm", margin=Size(0.05),
           description="Thumbs up per thumb."),
    Metric("rating", "mean", "", "higher", "rating", role="must_not_harm", margin=_relative(0.03),
           description="Mean rating given by users."),
    Metric("correction_rate", "rate", "share", "lower", "corrections", role="must_not_harm",
           margin=Size(0.02),
           description="Feedback with a correction per request."),
    Metric("error_rate", "rate", "share", "lower", "errors", role="must_prove", margin=Size(0.01),
           mde=Size(0.02),
           description="Calls that ended with an error per request."),
    Metric("refusal_rate", "rate", "share", "lower", "refusals", role="must_prove", margin=Size(0.01),
           mde=Size(0.02),
           description="Calls the model would not answer per request."),
    Metric("cost_per_request_uncached", "mean", "USD", "lower", "cost_uncached_nano_usd.capped", scale=1e-9,
           raw_cells="cost_uncached_nano_usd", clipped_cells="cost_uncached_nano_usd.over_cap",
           role="must_prove", margin=_relative(0.10), own_tolerance=_relative(0.10),
           description="Mean cost of a request at the full price of every input token, capped at the 99.5th "
           "percentile from before the experiment."),
    Metric("cost_over_cap_rate", "rate", "share", "lower", "cost_uncached_nano_usd.over_cap",
           role="must_prove", margin=Size(0.01), mde=Size(0.02),
           description="Requests that cost more than the cap, at full prices: what the capped mean does not "
           "see."),
    Metric("cost_per_request", "mean", "USD", "lower", "cost_nano_usd.capped", scale=1e-9,
           raw_cells="cost_nano_usd", clipped_cells="cost_nano_usd.over_cap", margin=_relative(0.10),
           own_tolerance=_relative(0.10),
           description="Mean cost of a request as billed, capped likewise: less, the more traffic keeps the "
           "provider's cache warm."),
    Metric("latency_ms", "mean", "ms", "lower", "latency_ms.capped", raw_cells="latency_ms",
           clipped_cells="latency_ms.over_cap", role="must_prove", margin=_relative(0.10),
           own_tolerance=_relative(0.10),
           description="Mean latency, capped at the 99.5th percentile from before the experiment, in one mix "
           "of cached and other requests."),
    Metric("latency_over_cap_rate", "rate", "share", "lower", "latency_ms.over_cap", role="must_prove",
           margin=Size(0.01), mde=Size(0.02),
           description="Requests slower than the cap: what the capped mean does not see."),
    Metric("latency_over_p95_rate", "rate", "share", "lower", "latency_ms.over_p95", role="must_prove",
           margin=Size(0.03), own_tolerance=Size(0.03),
           description="Requests slower than the 95th percentile from before the experiment."),
    Metric("time_to_first_token_over_p95_rate", "rate", "share", "lower", "time_to_first_token_ms.over_p95",
           role="must_not_harm", margin=Size(0.03), own_tolerance=Size(0.03),
           description="Requests whose first token came later than the 95th percentile from before."),
    Metric("requests_per_unit", "ratio", "requests", "same", "requests", per_unit=True, role="must_not_harm",
           margin=_relative(0.10), own_tolerance=_relative(0.05),
           description="Requests per unit: a change of volume moves the denominator of everything else."),
    Metric("return_rate", "rate", "share", "higher", "returned", role="signal", margin=Size(0.05),
           description="Units with requests at least an hour apart, of those that had time to return."),
    Metric("feedback_rate", "rate", "share", "unknown", "feedback", margin=Size(0.02),
           description="Feedback events per request."),
    Metric("input_tokens", "mean", "tokens", "lower", "input_tokens", margin=_relative(0.10),
           description="Mean tokens sent per request, cached ones included."),
    Metric("output_tokens", "mean", "tokens", "unknown", "output_tokens", margin=_relative(0.10),
           description="Mean tokens received per request."),
)  # fmt: skip
"""In the order of a readout."""

_BY_NAME = {metric.name: metric for metric in BUILT_IN}


def metrics_in(cells: Iterable[str], overrides: Mapping[str, MetricOverride]) -> list[Metric]:
    """Return every metric with data in these cells: built-in ones first, then the others by name.

    Args:
        cells: Metrics of the experiment cells.
        overrides: By name of the metric.

    Raises:
        InvalidParameter: An override is not valid for its metric.
    """
    present = set(cells)
    found = [metric for metric in BUILT_IN if {metric.cells, metric.raw_cells} & present]
    own = {metric.cells for metric in BUILT_IN}
    found.extend(_named(name) for name in sorted(present - BUILT_IN_CELLS - own))
    return [
        overrides[metric.name].applied_to(metric) if metric.name in overrides else metric for metric in found
    ]


def planned(overrides: Mapping[str, MetricOverride]) -> list[Metric]:
    """Return every metric that a plan judges, with or without data: built-in ones first.

    Args:
        overrides: By name of the metric.

    Raises:
        InvalidParameter: An override is not valid for its metric.
    """
    cells = {metric.cells for metric in BUILT_IN}
    for name in overrides.keys() - _BY_NAME.keys():
        bare = name.removeprefix("custom.")
        cells.add(bare if bare in _BY_NAME else name)
    return [metric for metric in metrics_in(cells, overrides) if metric.role != "shown"]


def _named(cells: str) -> Metric:
    if cells.startswith(PER_UNIT):
        return Metric(
            name=cells,
            kind="ratio",
            unit="",
            direction="unknown",
            cells=cells,
            per_unit=True,
            description="Sum of the values of late outcomes of this name within 72 hours of units' first "
            "exposures, by all units first exposed that long ago.",
        )
    return Metric(
        # A service's own "error_rate" is not ours; cells keep names like "errors" apart in the same way.
        name=f"custom.{cells}" if cells in _BY_NAME else cells,
        kind="mean",
        unit="",
        direction="unknown",
        cells=cells,
        description="Mean of the values of this name, in requests' metrics, scores and late outcomes.",
    )


def listed(cells: Iterable[str], overrides: Mapping[str, MetricOverride]) -> list[MetricRow]:
    """Return the catalogue as it is listed: built-in metrics, then every other name that has data.

    Args:
        cells: Metrics of the experiment cells.
        overrides: By name of the metric.

    Raises:
        InvalidParameter: An override is not valid for its metric.
    """
    built_in = {cells for metric in BUILT_IN for cells in (metric.cells, metric.raw_cells) if cells}
    return [_row(metric) for metric in metrics_in({*cells, *built_in}, overrides)]


def _row(metric: Metric) -> MetricRow:
    return MetricRow(
        metric=metric.name,
        kind=metric.kind,
        unit=metric.unit,
        direction=metric.direction,
        role=metric.role,
        margin=str(metric.margin),
        tolerance=str(metric.tolerance),
        mde="auto" if metric.mde is None else str(metric.mde),
        built_in=metric.name in _BY_NAME,
        description=metric.description,
    )
