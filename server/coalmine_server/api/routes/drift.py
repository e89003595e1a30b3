"""Drift of versions that nobody changed."""

from typing import Annotated

from fastapi import APIRouter, Depends

from coalmine_analytics.results.drift import Drift
from coalmine_server.api.parameters import Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.services.drift import DriftQuestion, drift_of

router = APIRouter(prefix="/v1", tags=["readouts"])


@router.get("/drift", responses=problem_responses(404))
def drift(owned: Owned, question: Annotated[DriftQuestion, Depends()]) -> Drift:
    """Whether a version that nobody changed still behaves as before, and models that began to answer.

    Each metric is compared, hour by hour, with the version's own first days. The mean time to a false alarm
    is at least `false_alarm_every_days`, over all metrics together.
    """
    return drift_of(owned.drifts, owned.store.reader(), question)
