"""Judges: how far people agree with them, and whether they have moved."""

from fastapi import APIRouter

from coalmine_evals.judges.storage import calibrations, canary_statuses
from coalmine_evals.results.judges import Calibration, CanaryStatus
from coalmine_server.api.parameters import Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Reader, RegistryRoute

router = APIRouter(prefix="/v1/judges", tags=["evaluations"], route_class=RegistryRoute)


@router.get("/calibrations", responses=problem_responses())
def judge_calibrations(owned: Owned, _actor: Reader) -> list[Calibration]:
    """The latest comparison of each judge with people, the newest first."""
    return calibrations(owned.evaluations.database)


@router.get("/canaries", responses=problem_responses())
def judge_canaries(owned: Owned, _actor: Reader) -> list[CanaryStatus]:
    """How each judge scores its fixed answers, day after day."""
    return canary_statuses(owned.evaluations.database)
