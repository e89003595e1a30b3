"""The metric catalogue, and two versions of a prompt side by side, from the store of this process."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from coalmine_analytics.results.catalogue import MetricRow
from coalmine_analytics.results.comparison import Comparison
from coalmine_consumers.experiments import VersionPair, version_sums
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
        check_names(owned.store.reader(), question)
        raise NotFound(
            f"no raw requests stored for version {a} or {b} of {question.prompt} in that period",
            "`coalmine versions` shows when there were requests",
        )
    return compare_versions(sums, owned.plan)
