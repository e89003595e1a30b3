"""Why a metric changed, from the store of this process."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Query

from coalmine_analytics.results.explain import Explanation
from coalmine_consumers.explain import NoEvidence, Question, Side, evidence, known_cells
from coalmine_consumers.queries import facets
from coalmine_consumers.store import Reader, Store
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.errors import NotFound
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.moment_parameter import Moment

if TYPE_CHECKING:
    from coalmine_analytics.metrics import Metric
    from coalmine_analytics.readout import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainQuestion:
    """Which change to explain: between two versions, or between two periods. Query parameters of the API."""

    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")]
    metric: Annotated[
        str, Query(min_length=1, description="Name of the metric, as `/v1/metrics` lists it.")
    ] = "quality"
    a: Annotated[
        str | None, Query(min_length=1, description="The version to compare with; b names the other.")
    ] = None
    b: Annotated[str | None, Query(min_length=1, description="The version in question.")] = None
    since: Annotated[
        Moment | None,
        Query(description=f"Start of the later period (or of the calls of versions): {MOMENT_HELP}."),
    ] = None
    until: Annotated[
        Moment | None,
        Query(
            description=f"End of the later period (or of the calls of versions), default now: {MOMENT_HELP}."
        ),
    ] = None
    before_since: Annotated[
        Moment | None,
        Query(description=f"Start of the earlier period, default as long as the later: {MOMENT_HELP}."),
    ] = None
    before_until: Annotated[
        Moment | None,
        Query(description=f"End of the earlier period, default the start of the later: {MOMENT_HELP}."),
    ] = None
    environment: Annotated[str | None, Query(min_length=1, description="Only this environment.")] = None
    segment: Annotated[
        list[str] | None,
        Query(
            max_length=5,
            description="Segments that make up the traffic mix; by default those whose mix changed most.",
        ),
    ] = None


def explained(store: Store, asked: ExplainQuestion, plan: "Plan", now: datetime | None = None) -> Explanation:
    """Explains why a metric of a prompt differs between two versions, or two periods.

    Args:
        store: The store of this process.
        asked: What to explain.
        plan: Gives alpha, and overrides of the metric catalogue.
        now: The end of a period without an end.

    Raises:
        NotFound: There is no such prompt, version or metric, or no request to compare.
        InvalidParameter: The question makes no sense.
    """
    from coalmine_analytics.explain import explain  # noqa: PLC0415 - numpy and scipy

    a, b = _sides(asked, now or datetime.now(UTC))
    reader = store.reader()
    check_names(reader, asked.prompt, (asked.a, asked.b), asked.environment)
    metric = _metric(reader, asked, plan)
    question = Question(
        prompt=asked.prompt,
        cells=metric.cells,
        a=a,
        b=b,
        environment=asked.environment,
        segments=None if asked.segment is None else tuple(asked.segment),
    )
    with store.cursor() as cursor:
        found = evidence(cursor, question)
    if isinstance(found, NoEvidence):
        raise _no_evidence(found, asked)
    return explain(found, metric, alpha=plan.alpha)


def _sides(asked: ExplainQuestion, now: datetime) -> tuple[Side, Side]:
    """Side a and side b of a question, times filled in."""
    if (asked.a is None) != (asked.b is None):
        raise InvalidParameter("only one version given: give both a and b, or neither and a time (since)")
    if asked.a is not None:
        if asked.a == asked.b:
            raise InvalidParameter(f"a and b are both {asked.a}: name two versions")
        if asked.before_since is not None or asked.before_until is not None:
            raise InvalidParameter(
                "versions and an earlier period given: give versions (a and b) or times, not both"
            )
        return Side(asked.a, asked.since, asked.until), Side(asked.b, asked.since, asked.until)
    if asked.since is None:
        raise InvalidParameter("nothing to compare: give two versions (a and b), or a time (since)")
    until = asked.until or now
    if asked.since >= until:
        raise InvalidParameter("since must be before until")
    before_until = asked.before_until or asked.since
    before_since = asked.before_since
    if before_since is None:
        try:
            before_since = before_until - (until - asked.since)
        except OverflowError:
            raise InvalidParameter(
                "the earlier period starts before the calendar: give before_since"
            ) from None
    if before_since >= before_until:
        raise InvalidParameter("before_since must be before before_until")
    return Side(None, before_since, before_until), Side(None, asked.since, until)


def check_names(reader: Reader, prompt: str, versions: Iterable[str | None], environment: str | None) -> None:
    """Raises NotFound, with the names there are, if nothing is recorded under one of these names."""
    known = facets(reader)
    if prompt not in known.versions:
        raise NotFound.among(f'no requests recorded for prompt "{prompt}"', prompt, known.prompts)
    of_prompt = known.versions[prompt]
    for version in versions:
        if version is not None and version not in of_prompt:
            raise NotFound.among(
                f"no requests recorded for version {version} of {prompt}", version, of_prompt
            )
    if environment is not None and environment not in known.environments:
        raise NotFound.among(
            f'no requests recorded in environment "{environment}"', environment, known.environments
        )


def _metric(reader: Reader, asked: ExplainQuestion, plan: "Plan") -> "Metric":
    from coalmine_analytics.metrics import metrics_in  # noqa: PLC0415

    known = {each.name: each for each in metrics_in(known_cells(reader, asked.prompt), plan.overrides)}
    metric = known.get(asked.metric)
    if metric is None:
        explainable = [name for name, each in known.items() if not each.per_unit]
        raise NotFound.among(
            f'requests of {asked.prompt} have no metric "{asked.metric}"', asked.metric, explainable
        )
    return metric


def _no_evidence(found: NoEvidence, asked: ExplainQuestion) -> NotFound:
    if asked.a is not None:
        side = f"version {asked.b if found.of_b else asked.a} of {asked.prompt}"
    else:
        side = f"{asked.prompt} in the {'later' if found.of_b else 'earlier'} period"
    if found.has_requests:
        return NotFound(f"no request of {side} has a value of {asked.metric}")
    return NotFound(
        f"no raw requests stored for {side}", "`coalmine versions` shows when there were requests"
    )
