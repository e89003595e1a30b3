"""The metric catalogue, two versions side by side, and checks of plans, from the store of this process."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query

from coalmine_analytics.results.breakdown import Breakdown, Dimension
from coalmine_analytics.results.catalogue import MetricRow
from coalmine_analytics.results.comparison import Comparison
from coalmine_analytics.results.plan_check import PlanCheck
from coalmine_consumers.experiments import (
    MOST_GROUPS,
    GroupQuestion,
    VersionPair,
    group_sums,
    prompt_traffic,
    segment_keys,
    version_sums,
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakdownQuestion:
    """Which requests to break down, and by what. Query parameters of the API."""

    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")]
    by: Annotated[
        list[Dimension] | None,
        Query(
            min_length=1,
            max_length=2,
            description="What tells the groups apart, one or two; the version by default. `segment` needs "
            "the key of one.",
        ),
    ] = None
    segment: Annotated[
        str | None, Query(min_length=1, description="Key of the segment that `by=segment` names.")
    ] = None
    version: Annotated[str | None, Query(min_length=1, description="Only this version.")] = None
    environment: Annotated[str | None, Query(min_length=1, description="Only this environment.")] = None
    model: Annotated[str | None, Query(min_length=1, description="Only calls this model answered.")] = None
    since: Annotated[
        Moment | None, Query(description=f"Only calls that began at or after this: {MOMENT_HELP}.")
    ] = None
    until: Annotated[
        Moment | None, Query(description=f"Only calls that began before this: {MOMENT_HELP}.")
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
    from coalmine_consumers.store.unit_outcomes import unit_metrics  # noqa: PLC0415

    fetch = owned.store.reader().table
    found = fetch("SELECT DISTINCT metric FROM experiment_cells")["metric"].to_pylist()
    return Page(listed({*found, *unit_metrics(fetch, found)}, owned.plan.overrides), None)


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


def breakdown_of(owned: OwnedStore, question: BreakdownQuestion) -> Breakdown:
    """Breaks the requests of a prompt down into groups, each metric with its interval.

    Raises:
        InvalidParameter: The period is empty, or a segment is named without `by=segment`, or the reverse.
        NotFound: There are no such requests.
    """
    from coalmine_analytics.breakdown import broken_down  # noqa: PLC0415 - numpy and scipy

    check_period(question.since, question.until)
    by = question.by or ["version"]
    if ("segment" in by) != (question.segment is not None):
        raise InvalidParameter("by=segment and segment=KEY belong together: give both, or neither")
    if len(set(by)) < len(by):
        raise InvalidParameter(f"by={by[0]} is given twice: give two dimensions, or one")
    first, second = (*by, None)[:2]
    asked = GroupQuestion(**{**asdict(question), "by": first, "and_by": second})
    with owned.store.cursor() as cursor:
        sums = group_sums(cursor, asked)
        segments = [] if sums is None else segment_keys(cursor, asked, MOST_GROUPS)
    if sums is None:
        check_names(owned.store.reader(), question.prompt, (question.version,), question.environment)
        raise NotFound(
            f"no raw requests stored for {question.prompt} in that period",
            "`coalmine versions` shows when there were requests",
        )
    return broken_down(sums, asked, segments, owned.plan)
