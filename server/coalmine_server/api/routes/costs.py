"""What is spent on what, what may be, and what a change would have saved."""

from typing import Annotated

from fastapi import Query, Request

from coalmine_alerts.results.spending import Spending
from coalmine_analytics.results.savings import Savings
from coalmine_consumers import queries
from coalmine_consumers.results import CostDimension, Costs
from coalmine_registry.roles import Role
from coalmine_server.api.auth import actor_of
from coalmine_server.api.later_routes import LaterRouter
from coalmine_server.api.parameters import LONGEST_PAGE, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.routes.measures import Chosen
from coalmine_server.services import costs as services

router = LaterRouter(prefix="/v1", tags=["costs"])

Name = Annotated[str | None, Query(min_length=1, max_length=500)]


@router.get("/costs", responses=problem_responses())
def costs(
    *,
    request: Request,
    owned: Owned,
    chosen: Chosen,
    by: Annotated[CostDimension, Query(description="What is told apart.")] = "prompt",
    segment: Annotated[
        Name, Query(description="Key of the segment, with `by=segment`; the most used one if omitted.")
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=LONGEST_PAGE, description="Maximum number of groups: those that cost most.")
    ] = 100,
) -> Costs:
    """What calls cost, by one dimension, and over time. Users are named to admins only, to others numbered.

    Segments and users are in raw rows alone, of which the last seven days of the period are read.
    """
    private = actor_of(request).role.allows(Role.ADMIN)
    return queries.costs(
        owned.store.reader(),
        chosen,
        by,
        segment=segment,
        limit=limit,
        private=private,
        now=owned.clock(),
    )


@router.get("/savings", responses=problem_responses())
def savings(
    *,
    owned: Owned,
    chosen: Chosen,
    to_model: Annotated[
        list[Annotated[str, Query(min_length=1, max_length=500)]],
        Query(
            max_length=20,
            description="Models to price, beside those that answered in the period; may be repeated.",
        ),
    ] = [],  # noqa: B006 - FastAPI copies it
) -> Savings:
    """What another version or model would have saved: versions by what they cost, models by their prices.

    Of the 20 versions that cost most, of those with 100 calls and more.
    """
    return services.savings(owned, chosen, to_model)


@router.get("/spending", responses=problem_responses())
def spending(
    *,
    request: Request,
    owned: Owned,
    environment: Annotated[Name, Query(description="Only this environment.")] = None,
    prompt: Annotated[Name, Query(description="Only this prompt.")] = None,
    app: Annotated[Name, Query(description="Only this application.")] = None,
) -> Spending:
    """Spending of today and of the month with a forecast, and each budget as it stands.

    The filters are for what is no budget's: all budgets are listed.
    """
    return services.spending(owned, actor_of(request), environment=environment, prompt=prompt, app=app)
