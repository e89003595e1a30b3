"""What experiments and versions show: readouts, looks, comparisons, drift, explanations, the catalogue."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Query, Request, Response

from coalmine_analytics.results.breakdown import Breakdown
from coalmine_analytics.results.catalogue import MetricRow
from coalmine_analytics.results.comparison import ComparedMetric, Comparison
from coalmine_analytics.results.drift import Drift, VersionDrift
from coalmine_analytics.results.explain import Explanation
from coalmine_analytics.results.plan_check import PlanCheck
from coalmine_analytics.results.readout import Readout, ReadoutPath
from coalmine_consumers.results import DayIgnored, ExperimentRow
from coalmine_registry.experiment_plan import DEFAULT, ExperimentPlan
from coalmine_registry.roles import Actor, Role
from coalmine_rollouts.records import RolloutStatus
from coalmine_schemas.results import Page
from coalmine_server.api.auth import actor_of, needs
from coalmine_server.api.bodies import BeginAnewBody, PlanCheckBody, RolloutCheckBody
from coalmine_server.api.later_routes import LaterRouter
from coalmine_server.api.parameters import Cursor, ExperimentPath, Owned, RolloutPath, SeriesLimit
from coalmine_server.api.plain_json import PlainJsonRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.representation import ARROW_TOO, Wanted, represented
from coalmine_server.errors import NotFound
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.results import TimelineItem
from coalmine_server.services.compare import (
    BreakdownQuestion,
    CompareQuestion,
    PlanQuestion,
    breakdown_of,
    catalogue,
    compared,
    plan_checked,
)
from coalmine_server.services.drift import DayToIgnore, DriftQuestion, day_ignored, drift_of, drifts_of
from coalmine_server.services.explain import ExplainQuestion, explained
from coalmine_server.services.moment_parameter import Moment
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.services.rollout_plans import checked_rollout, chosen_plan, environment_of
from coalmine_server.services.timeline import TimelineQuestion, timeline

MOST_JUDGED: Final = 100
"""Versions on a page at most: to judge one again takes 15 ms."""

router = LaterRouter(prefix="/v1", tags=["readouts"], route_class=PlainJsonRoute)
changes = LaterRouter(prefix="/v1", tags=["readouts"], route_class=PlainJsonRoute)
"""What takes more than reading."""


@router.get(
    "/readouts", response_model=Page[ExperimentRow], responses={**problem_responses(406), **ARROW_TOO}
)
def readouts(owned: Owned, wanted: Wanted) -> Response:
    """Experiments that events tell of: those that have a readout."""
    page = Page(owned.readouts.experiments(), None)
    return represented(page, Page[ExperimentRow], page.items, ExperimentRow, wanted)


# Names of experiments that only events have may have slashes.
@router.get("/experiments/{experiment:path}/readout", responses=problem_responses(404))
def readout(owned: Owned, experiment: ExperimentPath) -> Readout:
    """Every metric of each arm against control: effect, interval, verdict, decision, units still needed.

    Holds at every look. Reading it is a look, so it is stored unless there is one that is a few seconds old.
    """
    max_age = timedelta(seconds=owned.settings.readout.max_age_s)
    found = owned.readouts.current(experiment, max_age=max_age)
    if found is None:
        raise _unknown(owned, experiment)
    return found


def _unknown(owned: OwnedStore, experiment: str) -> NotFound:
    known = [row.experiment for row in owned.readouts.experiments()]
    if experiment in known:
        return NotFound(
            f'no request of experiment "{experiment}" names an arm and an allocation epoch that it had',
            "GET /v1/readouts says which they name",
        )
    return NotFound.among(f'no requests recorded for experiment "{experiment}"', experiment, known)


@router.get("/experiments/{experiment:path}/looks", responses=problem_responses(404))
def looks(
    *,
    owned: Owned,
    experiment: ExperimentPath,
    since: Annotated[
        Moment | None, Query(description=f"Looks taken at or after this: {MOMENT_HELP}.")
    ] = None,
    spread: Annotated[
        bool, Query(description="True: at most `limit` looks spread over all of them, instead of the latest.")
    ] = False,
    limit: SeriesLimit = 500,
) -> ReadoutPath:
    """The path people saw: stored looks, oldest first."""
    items = tuple(owned.readouts.path(experiment, since=since, limit=limit, spread=spread))
    if not items and all(row.experiment != experiment for row in owned.readouts.experiments()):
        raise _unknown(owned, experiment)
    return ReadoutPath(experiment=experiment, items=items)


@changes.post("/experiments/{experiment:path}/begin-anew", responses=problem_responses(404))
def begin_anew(
    owned: Owned,
    actor: Annotated[Actor, needs(Role.APPROVER)],
    experiment: ExperimentPath,
    body: BeginAnewBody,
) -> Readout:
    """Has the evidence of an experiment begin anew from now: what came before no longer counts.

    The looks keep what was, who asked and why. The k-th time decides with alpha / (k (k + 1)).
    """
    found = owned.readouts.begin_anew(experiment, actor.subject, body.reason)
    if found is None:
        raise _unknown(owned, experiment)
    return found


@router.post("/plan-check", responses=problem_responses(404))
def plan_check(owned: Owned, body: PlanCheckBody) -> PlanCheck:
    """Will a plan ever end? A forecast from the prompt's own traffic; it changes nothing."""
    given = DEFAULT if body.plan is None else ExperimentPlan.from_json(body.plan)
    stages = [(stage.weight, stage.min_time_h, stage.min_units) for stage in body.stages]
    question = PlanQuestion(body.prompt, body.environment, stages, given, body.days, body.longest_h)
    return plan_checked(owned, question)


@router.get("/compare", response_model=Comparison, responses={**problem_responses(404, 406), **ARROW_TOO})
def compare(owned: Owned, wanted: Wanted, question: Annotated[CompareQuestion, Depends()]) -> Response:
    """Two versions side by side, from raw requests: not randomised, so its verdicts only suggest.

    Adjusted for the mix of models and segments. Where there is an experiment, its readout says more.
    """
    found = compared(owned, question)
    warnings = {"warnings": "\n".join(found.warnings)}
    return represented(found, Comparison, found.metrics, ComparedMetric, wanted, warnings)


@router.get("/breakdown", responses=problem_responses(404))
def breakdown(owned: Owned, question: Annotated[BreakdownQuestion, Depends()]) -> Breakdown:
    """Versions, models, environments, applications or values of a segment side by side, with intervals.

    From raw requests, and says which groups cannot be told apart. Not randomised: what else differed between
    them counts as well.
    """
    return breakdown_of(owned, question)


@router.get("/metrics", response_model=Page[MetricRow], responses={**problem_responses(406), **ARROW_TOO})
def metric_catalogue(owned: Owned, wanted: Wanted) -> Response:
    """The metric catalogue: which direction is better, how much is too much, and which guard a promotion."""
    page = catalogue(owned)
    return represented(page, Page[MetricRow], page.items, MetricRow, wanted)


@router.get("/drift", responses=problem_responses(404))
def drift(owned: Owned, question: Annotated[DriftQuestion, Depends()]) -> Drift:
    """Drift of a version that nobody changed, and models that began to answer.

    Each metric is compared, hour by hour, with the version's own first days. The mean time to a false alarm
    is at least `false_alarm_every_days`, over all metrics together.
    """
    return drift_of(owned.drifts, owned.store.reader(), question)


@router.get("/drifts", responses=problem_responses())
def every_drift(
    *,
    request: Request,
    owned: Owned,
    environment: Annotated[
        str | None, Query(min_length=1, description="Only this environment; by default each.")
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=MOST_JUDGED, description="Maximum number of versions on a page.")
    ] = MOST_JUDGED,
    cursor: Cursor = None,
) -> Page[VersionDrift]:
    """Drift of the version with the most requests now, of each prompt in each environment, by their names.

    Far cheaper than asking for one prompt after the other.
    """
    among = actor_of(request).prompts
    return drifts_of(
        owned.drifts,
        owned.store.reader(),
        environment=environment,
        among=among,
        limit=limit,
        cursor=cursor,
    )


@changes.post("/drift/ignored-days", status_code=201, responses=problem_responses(404))
def ignore_day(owned: Owned, actor: Annotated[Actor, needs(Role.APPROVER)], body: DayToIgnore) -> DayIgnored:
    """Has drift detection ignore a day, such as a holiday or an outage, or count it again.

    Neither the reference nor what is compared with it has that day, of any version. Who did it, when and why
    is kept, and stands in every answer.
    """
    return day_ignored(owned.store, body, actor.subject)


@router.post("/rollouts/check", tags=["rollouts"], responses=problem_responses(404))
def check_rollout(owned: Owned, body: RolloutCheckBody) -> PlanCheck:
    """Will a rollout ever complete? A forecast from the prompt's own traffic; it changes nothing."""
    plan = chosen_plan(owned.known_registry, body.prompt, body.version, body.plan)
    return checked_rollout(owned, body.prompt, environment_of(plan, body.environment), plan)


@router.get("/rollouts/{rollout}/status", tags=["rollouts"], responses=problem_responses(404))
def rollout_status(owned: Owned, rollout: RolloutPath) -> RolloutStatus:
    """Where a rollout stands, what it serves and what is seen of it, and one sentence on what is missing."""
    return owned.controller.status(rollout)


@router.get("/timeline", responses=problem_responses(404))
def prompt_timeline(owned: Owned, question: Annotated[TimelineQuestion, Depends()]) -> Page[TimelineItem]:
    """What happened to a prompt, oldest first: the newest items of a period, on one page.

    Versions, changes of what is served, decisions of rollouts, freezes, models that began to answer, losses
    of ingest and hours with far more thumbs down than usual.
    """
    return timeline(owned.store.reader(), owned.known_registry, question, datetime.now(UTC))


@router.get("/explain", responses=problem_responses(404))
def explain(owned: Owned, question: Annotated[ExplainQuestion, Depends()]) -> Explanation:
    """Why a metric of a prompt differs between two versions (a, b) or two periods (since), from raw requests.

    The change is decomposed into prompt, model mix and traffic mix, which sum to it; then come the segments,
    models and applications that moved, and a regression on features of requests. Not randomised: whatever is
    not observed counts as prompt.
    """
    return explained(owned.store, question, owned.plan)
