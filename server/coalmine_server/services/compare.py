"""The metric catalogue, and two versions of a prompt beside each other, from the store of this process."""

from collections.abc import Mapping

from coalmine_analytics.metrics import MetricOverride, listed
from coalmine_analytics.observational import compare_versions
from coalmine_analytics.readout import Plan
from coalmine_consumers.experiments import VersionPair, version_sums
from coalmine_consumers.store import Reader, Store
from coalmine_schemas.errors import InvalidParameter

from coalmine_server.services.models import Comparison, Metrics
from coalmine_server.services.questions import Comparing


def catalogue(reader: Reader, overrides: Mapping[str, MetricOverride]) -> Metrics:
    """What comes with Coalmine, then every other name that experiments have data of."""
    found = reader.table("SELECT DISTINCT metric FROM experiment_cells")["metric"].to_pylist()
    return Metrics.model_validate(listed(found, overrides))


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
