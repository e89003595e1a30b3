"""Production: how it is scored, and what people say of it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from coalmine_evals.backtest.inputs import stored_inputs
from coalmine_evals.results.backtest import ProductionInputs
from coalmine_evals.results.production import ProductionReport
from coalmine_evals.results.review import ReviewAgreement, ReviewAnswer, ReviewItem, ReviewQueue, ReviewTask
from coalmine_evals.review import reading
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import ReasonedBody
from coalmine_server.api.eval_bodies import ReviewAnswersBody
from coalmine_server.api.parameters import Cursor, Limit, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Admin, Reader, RegistryRoute, lane
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.moment_parameter import Moment, check_period

router = APIRouter(prefix="/v1", tags=["production"], route_class=RegistryRoute)

ItemPath = Annotated[int, Path(ge=1, le=2**53, description="Number of the item.")]
QueuePath = Annotated[str, Path(min_length=1, max_length=100, description="Name of the queue.")]
QueueText = Annotated[str | None, Query(min_length=1, max_length=100, description="Only this queue.")]
Text = Annotated[str | None, Query(min_length=1, max_length=500)]

DAYS_OF_QUALITY = 7
MOST_INPUTS = 2_000


@router.get("/production-scores", responses=problem_responses())
def production_scores(
    *,
    owned: Owned,
    _actor: Reader,
    prompt: Annotated[Text, Query(description="Prompt whose quality to estimate; none if omitted.")] = None,
    environment: Annotated[Text, Query(description="Only this environment.")] = None,
    metric: Annotated[Text, Query(description="Only this metric.")] = None,
    since: Annotated[
        Moment | None,
        Query(description=f"Only requests from then on: {MOMENT_HELP}. {DAYS_OF_QUALITY} days if omitted."),
    ] = None,
    until: Annotated[Moment | None, Query(description=f"Only requests before then: {MOMENT_HELP}.")] = None,
) -> ProductionReport:
    """How scoring in production goes, and how good the versions of a prompt are by it."""
    check_period(since, until)
    return owned.evaluations.production.report(
        prompt, environment, metric, since=since, until=until, days=DAYS_OF_QUALITY
    )


@router.get("/production-inputs", responses=problem_responses())
@lane("heavy")
def production_inputs(
    *,
    owned: Owned,
    _actor: Admin,
    prompt: Annotated[str, Query(min_length=1, max_length=500, description="Name of the prompt.")],
    environment: Annotated[str, Query(min_length=1, max_length=500, description="Where.")] = "prod",
    since: Annotated[Moment, Query(description=f"Only requests from then on: {MOMENT_HELP}.")],
    until: Annotated[Moment, Query(description=f"Only requests before then: {MOMENT_HELP}.")],
    sample: Annotated[int, Query(ge=1, le=MOST_INPUTS, description="How many to return.")] = 200,
) -> ProductionInputs:
    """What stored requests asked: a sample, for trying other versions on it. Texts are for admins."""
    check_period(since, until)
    return stored_inputs(
        owned.store.reader(),
        prompt=prompt,
        environment=environment,
        since=since,
        until=until,
        most=sample,
    )


@router.get("/reviews", responses=problem_responses())
def review_queues(owned: Owned, _actor: Reader) -> list[ReviewQueue]:
    """The queues of requests that people are asked about."""
    return reading.queues(owned.evaluations.database, owned.evaluations.production.plan.review)


@router.get("/reviews/items", responses=problem_responses())
def review_items(
    *,
    owned: Owned,
    _actor: Reader,
    queue: QueueText = None,
    waiting: Annotated[bool, Query(description="True: only those that lack an answer.")] = False,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[ReviewItem]:
    """Requests that were put into the queues, the latest first."""
    database = owned.evaluations.database
    return reading.items(database, queue=queue, waiting=waiting, limit=limit, cursor=cursor)


@router.get("/reviews/answers", responses=problem_responses())
def review_answers(
    *, owned: Owned, _actor: Reader, queue: QueueText = None, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Page[ReviewAnswer]:
    """What people answered, the latest first."""
    return reading.answers(owned.evaluations.database, queue=queue, limit=limit, cursor=cursor)


@router.get("/reviews/agreement", responses=problem_responses())
def review_agreement(owned: Owned, _actor: Reader) -> list[ReviewAgreement]:
    """How far two people agree on the same requests, by question."""
    return reading.agreements(owned.evaluations.database, owned.evaluations.production.plan.review)


@router.post("/reviews/{queue}/next", responses=problem_responses(404))
def next_review(owned: Owned, actor: Admin, queue: QueuePath) -> ReviewTask | None:
    """The next request for the caller, with its texts: theirs alone for half an hour. Null if none waits."""
    return owned.evaluations.production.reviews.next_task(queue, actor.subject)


@router.post("/reviews/items/{item}/answers", status_code=201, responses=problem_responses(404, 409))
def submit_review(owned: Owned, actor: Admin, item: ItemPath, body: ReviewAnswersBody) -> list[ReviewAnswer]:
    """Answers all questions about a request. The first person's answers become its scores."""
    return owned.evaluations.production.reviews.submit(item, actor.subject, body.answers, body.comment)


@router.post("/reviews/items/{item}/skip", status_code=204, responses=problem_responses(404, 409))
def skip_review(owned: Owned, _actor: Admin, item: ItemPath, body: ReasonedBody) -> None:
    """Takes a request out of its queue that nobody can answer for."""
    owned.evaluations.production.reviews.skip(item, body.reason)
