"""The metric catalogue, and two versions of a prompt beside each other, from the store of this process."""

from collections.abc import Mapping

from coalmine_analytics.metrics import BUILT_IN, Metric, MetricOverride, metrics_in
from coalmine_analytics.observational import compare_versions
from coalmine_analytics.readout import Plan
from coalmine_consumers.experiments import VersionPair, version_sums
from coalmine_consumers.store import Reader, Store
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.services.models import Comparison, MetricRow, Metrics
from coalmine_server.services.questions import Comparing


def catalogue(reader: Reader, overrides: Mapping[str, MetricOverride]) -> Metrics:
    """What comes with Coalmine, then every other name that experiments have data of."""
    found = reader.table("SELECT DISTINCT metric FROM experiment_cells")["metric"].to_pylist()
    built_in = {metric.name for metric in BUILT_IN}
    all_cells = {cells for metric in BUILT_IN for cells in (metric.cells, metric.raw_cells) if cells}
    rows = metrics_in([*found, *all_cells], overrides)
    return Metrics(items=[_row(metric, metric.name in built_in) for metric in rows])


def _row(metric: Metric, built_in: bool) -> MetricRow:
    return MetricRow(
        metric=metric.name,
        kind=metric.kind,
        unit=metric.unit,
        direction=metric.direction,
        guardrail=metric.guardrail,
        margin=str(metric.margin),
        tolerance=str(metric.tolerance),
        mde="auto" if metric.mde is None else str(metric.mde),
        built_in=built_in,
        description=metric.description,
    )


def compared(store: Store, question: Comparing, plan: Plan) -> Comparison | None:
    """Two versions, or None if one of them had no requests.

    Raises:
        InvalidParameter: They are one and the same.
    """
    if question.a == question.b:
        raise InvalidParameter(f"a and b are both {question.a}: name two versions")
    pair = VersionPair(
        question.prompt, question.a, question.b, question.environment, question.since, question.until
    )
    with store.cursor() as cursor:
        sums = version_sums(cursor, pair, question.segments)
    return None if sums is None else Comparison.model_validate(compare_versions(sums, plan))
