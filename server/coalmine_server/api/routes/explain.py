"""Why a metric changed."""

from typing import Annotated

from fastapi import APIRouter, Depends

from coalmine_analytics.results.explain import Explanation
from coalmine_server.api.parameters import Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.services.explain import ExplainQuestion, explained

router = APIRouter(prefix="/v1", tags=["readouts"])


@router.get("/explain", responses=problem_responses(404))
def explain(owned: Owned, question: Annotated[ExplainQuestion, Depends()]) -> Explanation:
    """Why a metric of a prompt differs between two versions (a, b) or two periods (since), from raw requests.

    The change is decomposed into prompt, model mix and traffic mix, which sum to it; then come the segments,
    models and applications that moved, and a regression on features of requests. Not randomised: whatever is
    not observed counts as prompt.
    """
    return explained(owned.store, question, owned.plan)
