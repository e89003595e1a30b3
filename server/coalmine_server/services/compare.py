"""The metric catalogue, two versions side by side, and checks of plans, from the store of this process."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query

from coalmine_analytics.results.catalogue import MetricRow
from coalmine_analytics.results.comparison import Comparison
from coalmine_analytics.results.plan_check import PlanCheck
from coalmine_consumers.experiments import VersionPair, prompt_traffic, version_sums
from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.results import Page
from coalmine_server.errors import NotFound
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.explain import check_names
from coalmine_server.services.moment_parameter import Moment, check_period
from coalmine_server.services.owned_store import OwnedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareQuestion:
    """Which two versions to compare. Query parameters of the API."""

    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")]
    a: Annotated[str, Query(min_length=1, description="The version to compare with.")]
    b: Annotated[str, Query(min_length=1, description="The version in question.")]
    environment: Annotated[str | None, Query(min_length=1, description="Only this environment.")] = None
    since: Annotated[
        Moment | None, Query(description=f"Only calls that began at or after this: {MOMENT_HELP}.")
    ] = None
    until: Annotated[
        Moment | None, Query(description=f"Only calls that began before this: {MOMENT_HELP}.")
    ] = None
    segment: Annotated[
        list[str] | None,
        Query(max_length=5, description="Segments to adjust for; by default two that have few values."),
    ] = None


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """A plan to check against a prompt's traffic."""

    prompt: str
    environment: str
    stages: Sequence[tuple[float, float, int]]
    """Of each: share of the treatment, least hours and units."""
    plan: ExperimentPlan
    days: int
    longest_h: float


def plan_checked(owned: OwnedStore, question: PlanQuestion) -> PlanCheck:
    """Forecasts whether a plan will ever end.

    Raises:
        InvalidParameter: The plan names a metric that cannot be judged, or a stage is not possible.
        NotFound: The prompt had no requests there.
    """
    from coalmine_analytics.plan_check import Stage, check_plan  # noqa: PLC0415 - numpy and scipy
    from coalmine_server.services.plan_metrics import check_metrics, plan_with  # noqa: PLC0415

    check_metrics(question.plan, owned.settings.readout)
    until = datetime.now(UTC)
    since = until - timedelta(days=question.days)
    with owned.store.cursor() as cursor:
        traffic = prompt_traffic(cursor, question.prompt, question.environment, since, until)
    if traffic is None:
        check_names(owned.store.reader(), question.prompt, (), question.environment)
        raise NotFound(
            f"hardly any raw requests stored for prompt {question.prompt} in {question.environment} in the "
            f"last {question.days} days",
            "give more days, or wait until there is traffic",
        )
    return check_plan(
        traffic,
        plan_with(question.plan, owned.plan),
        [Stage(*stage) for stage in question.stages],
        prompt=question.prompt,
        environment=question.environment,
        longest_h=question.longest_h,
    )


def catalogue(owned: OwnedStore) -> Page[MetricRow]:
    """Returns the built-in metrics, then every other name that experiments have data of."""
    from coalmine_analytics.metrics import listed  # noqa: PLC0415

    found = owned.store.reader().table("SELECT DISTINCT metric FROM experiment_cells")["metric"].to_pylist()
    return Page(listed(found, owned.plan.overrides), None)


def compared(owned: OwnedStore, question: CompareQuestion) -> Comparison:
    """Compares two versions that were not randomised.

    Raises:
        InvalidParameter: They are the same, the period is empty, or no request has a segment asked for.
        NotFound: One of them had no requests.
    """
    from coalmine_analytics.observational import compare_versions  # noqa: PLC0415 - numpy and scipy

    a, b, since, until = question.a, question.b, question.since, question.until
    check_period(since, until)
    if a == b:
        raise InvalidParameter(f"a and b are both {a}: name two versions")
    pair = VersionPair(question.prompt, a, b, question.environment, since, until)
    with owned.store.cursor() as cursor:
        sums = version_sums(cursor, pair, None if question.segment is None else tuple(question.segment))
    if sums is None:
        check_names(owned.store.reader(), question.prompt, (a, b), question.environment)
        raise NotFound(
            f"no raw requests stored for version {a} or {b} of {question.prompt} in that period",
            "`coalmine versions` shows when there were requests",
        )
    return compare_versions(sums, owned.plan)
