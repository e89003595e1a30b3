"""The built-in metrics, and how every other name found in the data becomes one."""

from collections.abc import Iterable, Mapping

from coalmine_analytics.metrics.metric import Metric, MetricOverride, Size
from coalmine_analytics.results.catalogue import MetricRow
from coalmine_consumers.aggregation.cells import BUILT_IN as BUILT_IN_CELLS

BUILT_IN: tuple[Metric, ...] = (
    Metric(
        name="quality",
        kind="mean",
        unit="",
        direction="higher",
        cells="quality",
        guardrail=True,
        margin=Size(0.03, relative=True),
        description="Mean of the metric or score named quality.",
    ),
    Metric(
        name="thumbs_up_rate",
        kind="rate",
        unit="share",
        direction="higher",
        cells="thumbs_up",
        guardrail=True,
        margin=Size(0.05),
        description="Thumbs up per thumb.",
    ),
    Metric(
        name="rating",
        kind="mean",
        unit="",
        direction="higher",
        cells="rating",
        guardrail=True,
        margin=Size(0.03, relative=True),
        description="Mean rating given by users.",
    ),
    Metric(
        name="correction_rate",
        kind="rate",
        unit="share",
        direction="lower",
        cells="corrections",
        guardrail=True,
        margin=Size(0.02),
        description="Feedback with a correction per request.",
    ),
    Metric(
        name="error_rate",
        kind="rate",
        unit="share",
        direction="lower",
        cells="errors",
        guardrail=True,
        margin=Size(0.01),
        mde=Size(0.02),
        description="Calls that ended with an error per request.",
    ),
    Metric(
        name="refusal_rate",
        kind="rate",
        unit="share",
        direction="lower",
        cells="refusals",
        guardrail=True,
        margin=Size(0.01),
        mde=Size(0.02),
        description="Calls the model would not answer per request.",
    ),
    Metric(
        name="cost_per_request",
        kind="mean",
        unit="USD",
        direction="lower",
        cells="cost_nano_usd.capped",
        scale=1e-9,
        raw_cells="cost_nano_usd",
        clipped_cells="cost_nano_usd.over_cap",
        guardrail=True,
        margin=Size(0.10, relative=True),
        tolerance=Size(0.10, relative=True),
        description="Mean cost of a request, capped at the 99.5th percentile from before the experiment.",
    ),
    Metric(
        name="latency_ms",
        kind="mean",
        unit="ms",
        direction="lower",
        cells="latency_ms.capped",
        raw_cells="latency_ms",
        clipped_cells="latency_ms.over_cap",
        guardrail=True,
        margin=Size(0.10, relative=True),
        tolerance=Size(0.10, relative=True),
        description="Mean latency, capped at the 99.5th percentile from before the experiment.",
    ),
    Metric(
        name="latency_over_p95_rate",
        kind="rate",
        unit="share",
        direction="lower",
        cells="latency_ms.over_p95",
        guardrail=True,
        margin=Size(0.03),
        tolerance=Size(0.03),
        description="Requests slower than the 95th percentile from before the experiment.",
    ),
    Metric(
        name="time_to_first_token_over_p95_rate",
        kind="rate",
        unit="share",
        direction="lower",
        cells="time_to_first_token_ms.over_p95",
        guardrail=True,
        margin=Size(0.03),
        tolerance=Size(0.03),
        description="Requests whose first token came later than the 95th percentile from before.",
    ),
    Metric(
        name="requests_per_unit",
        kind="ratio",
        unit="requests",
        direction="same",
        cells="requests",
        per_unit=True,
        guardrail=True,
        margin=Size(0.10, relative=True),
        tolerance=Size(0.05, relative=True),
        description="Requests per unit: a change of volume moves the denominator of everything else.",
    ),
    Metric(
        name="feedback_rate",
        kind="rate",
        unit="share",
        direction="unknown",
        cells="feedback",
        margin=Size(0.02),
        description="Feedback events per request.",
    ),
    Metric(
        name="input_tokens",
        kind="mean",
        unit="tokens",
        direction="lower",
        cells="input_tokens",
        margin=Size(0.10, relative=True),
        description="Mean tokens sent per request, cached ones included.",
    ),
    Metric(
        name="output_tokens",
        kind="mean",
        unit="tokens",
        direction="unknown",
        cells="output_tokens",
        margin=Size(0.10, relative=True),
        description="Mean tokens received per request.",
    ),
)
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


def _named(cells: str) -> Metric:
    return Metric(
        # A service's own "error_rate" is not ours; cells keep names like "errors" apart in the same way.
        name=f"custom.{cells}" if cells in _BY_NAME else cells,
        kind="mean",
        unit="",
        direction="unknown",
        cells=cells,
        description="Mean of the values of this name, in requests' metrics and in scores.",
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
        guardrail=metric.guardrail,
        margin=str(metric.margin),
        tolerance=str(metric.tolerance),
        mde="auto" if metric.mde is None else str(metric.mde),
        built_in=metric.name in _BY_NAME,
        description=metric.description,
    )
