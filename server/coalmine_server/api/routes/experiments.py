"""Experiments: start, reweight and stop them."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_registry.records import ExperimentRecord, ExperimentStatus
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Arm
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import ExperimentBody, StopBody, WeightsBody, given
from coalmine_server.api.parameters import Cursor, ExperimentPath, Limit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import (
    Approver,
    Asked,
    EnvironmentPath,
    IfMatch,
    PromptPath,
    Reader,
    RegistryRoute,
    expected,
    lane,
    tag,
)

router = APIRouter(prefix="/v1", tags=["experiments"], route_class=RegistryRoute)


@router.post(
    "/environments/{environment}/prompts/{name}/experiments",
    status_code=201,
    responses=problem_responses(404, 409, 412),
)
def start_experiment(
    *,
    registry: Asked,
    actor: Approver,
    environment: EnvironmentPath,
    name: PromptPath,
    body: ExperimentBody,
    if_match: IfMatch,
    response: Response,
) -> ExperimentRecord:
    """Starts an experiment in place of the default or of a rule's version."""
    found = registry.start_experiment(
        actor,
        environment,
        name,
        body.name,
        tuple(Arm(arm.variant, arm.version, arm.weight) for arm in body.arms),
        rule=body.rule,
        control=body.control,
        plan=None if body.plan is None else ExperimentPlan.from_json(body.plan),
        evidence=given(body.evidence),
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
        override=body.override,
    )
    return _tagged(registry, found, response)


@router.get("/experiments", responses=problem_responses(404))
def experiments(
    *,
    registry: Asked,
    _actor: Reader,
    environment: Annotated[
        str | None, Query(min_length=1, description="Only experiments in this environment.")
    ] = None,
    prompt: Annotated[str | None, Query(min_length=1, description="Only experiments on this prompt.")] = None,
    status: Annotated[
        ExperimentStatus | None, Query(description="Only experiments with this status.")
    ] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[ExperimentRecord]:
    """Experiments, newest first."""
    return registry.experiments(environment, prompt, status, limit=limit, cursor=cursor)


@router.get("/experiments/{experiment}", responses=problem_responses(404))
def experiment(
    registry: Asked, _actor: Reader, experiment: ExperimentPath, response: Response
) -> ExperimentRecord:
    """One experiment with all its epochs. Its ETag is the revision of its deployment."""
    return _tagged(registry, registry.experiment(experiment), response)


@router.put("/experiments/{experiment}/weights", responses=problem_responses(404, 409, 412))
@lane("urgent")
def set_weights(
    *,
    registry: Asked,
    actor: Approver,
    experiment: ExperimentPath,
    body: WeightsBody,
    if_match: IfMatch,
    response: Response,
) -> ExperimentRecord:
    """Changes the weights of the arms, which starts a new allocation epoch unless they are as before."""
    found = registry.set_weights(
        actor,
        experiment,
        body.weights,
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
        override=body.override,
    )
    return _tagged(registry, found, response)


@router.post("/experiments/{experiment}/stop", responses=problem_responses(404, 409, 412))
@lane("urgent")
def stop_experiment(
    *,
    registry: Asked,
    actor: Approver,
    experiment: ExperimentPath,
    body: StopBody,
    if_match: IfMatch,
    response: Response,
) -> ExperimentRecord:
    """Stops an experiment: one arm's version stays, or the replaced version returns."""
    found = registry.stop_experiment(
        actor,
        experiment,
        keep=body.keep,
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
        override=body.override,
    )
    return _tagged(registry, found, response)


def _tagged(registry: Registry, found: ExperimentRecord, response: Response) -> ExperimentRecord:
    tag(response, registry.deployment(found.environment, found.prompt).revision)
    return found
