"""Why a metric changed, from the store of this process."""

from datetime import UTC, datetime

from coalmine_analytics.explain import explain
from coalmine_analytics.metrics import Metric, metrics_in
from coalmine_analytics.readout import Plan
from coalmine_consumers.explain import NoEvidence, Question, Side, evidence, known_cells
from coalmine_consumers.queries import facets
from coalmine_consumers.store import Reader, Store
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.errors import NothingKnown
from coalmine_server.services.models import Explanation
from coalmine_server.services.questions import Explaining


def explained(store: Store, asked: Explaining, plan: Plan, now: datetime | None = None) -> Explanation:
    """Why a metric of a prompt differs between two versions, or two times.

    Args:
        store: Of this process.
        asked: What to explain.
        plan: For alpha, and for what is known of metrics.
        now: When a time without an end ends.

    Raises:
        NothingKnown: There is no such prompt, version or metric, or no request to compare.
        InvalidParameter: The question makes no sense.
    """
    a, b = _sides(asked, now or datetime.now(UTC))
    reader = store.reader()
    _check_names(reader, asked)
    metric = _metric(reader, asked, plan)
    question = Question(
        prompt=asked.prompt,
        cells=metric.cells,
        a=a,
        b=b,
        environment=asked.environment,
        segments=asked.segments,
    )
    with store.cursor() as cursor:
        found = evidence(cursor, question)
    if isinstance(found, NoEvidence):
        raise _nothing(found, asked)
    return Explanation.model_validate(explain(found, metric, alpha=plan.alpha))


def _sides(asked: Explaining, now: datetime) -> tuple[Side, Side]:
    """Side a and side b of a question, times filled in."""
    if (asked.a is None) != (asked.b is None):
        raise InvalidParameter("one version alone: give both a and b, or neither and a time (since)")
    if asked.a is not None:
        if asked.a == asked.b:
            raise InvalidParameter(f"a and b are both {asked.a}: name two versions")
        if asked.before_since is not None or asked.before_until is not None:
            raise InvalidParameter(
                "two versions and a time before: give versions (a and b) or times (since), not both"
            )
        return Side(asked.a, asked.since, asked.until), Side(asked.b, asked.since, asked.until)
    if asked.since is None:
        raise InvalidParameter("nothing to compare: give two versions (a and b), or a time (since)")
    until = asked.until or now
    if asked.since >= until:
        raise InvalidParameter("since has to lie before until")
    before_until = asked.before_until or asked.since
    before_since = asked.before_since
    if before_since is None:
        try:
            before_since = before_until - (until - asked.since)
        except OverflowError:
            raise InvalidParameter("the time before is beyond the calendar: give before_since") from None
    if before_since >= before_until:
        raise InvalidParameter("before_since has to lie before before_until")
    return Side(None, before_since, before_until), Side(None, asked.since, until)


def _check_names(reader: Reader, asked: Explaining) -> None:
    known = facets(reader)
    if asked.prompt not in known.versions:
        raise _unknown(f"no request of a prompt {asked.prompt} has come", known.prompts)
    for version in (asked.a, asked.b):
        if version is not None and version not in known.versions[asked.prompt]:
            raise _unknown(
                f"no request of version {version} of {asked.prompt} has come", known.versions[asked.prompt]
            )
    if asked.environment is not None and asked.environment not in known.environments:
        raise _unknown(f"no request of an environment {asked.environment} has come", known.environments)


def _metric(reader: Reader, asked: Explaining, plan: Plan) -> Metric:
    known = {each.name: each for each in metrics_in(known_cells(reader, asked.prompt), plan.overrides)}
    metric = known.get(asked.metric)
    if metric is None:
        explained_ones = [name for name, each in known.items() if not each.per_unit]
        raise _unknown(f"requests of {asked.prompt} have no metric {asked.metric}", explained_ones)
    return metric


def _unknown(what: str, known: list[str]) -> NothingKnown:
    return NothingKnown(what, f"there are: {', '.join(known)}" if known else "there is none yet")


def _nothing(found: NoEvidence, asked: Explaining) -> NothingKnown:
    if asked.a is not None:
        side = f"version {asked.b if found.of_b else asked.a} of {asked.prompt}"
    else:
        side = f"{asked.prompt} in the time {'after' if found.of_b else 'before'}"
    if found.has_requests:
        return NothingKnown(f"no request of {side} has a value of {asked.metric}")
    return NothingKnown(
        f"there is no raw row of a request of {side}", "`coalmine versions` shows when there were requests"
    )
