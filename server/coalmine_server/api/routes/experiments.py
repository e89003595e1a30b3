"""Experiments: started, ramped and stopped."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from coalmine_registry.records import ExperimentRecord, ExperimentStatus
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Arm
from coalmine_server.api.bodies import ExperimentBody, StopBody, WeightsBody, given
from coalmine_server.api.parameters import (
    Approver,
    Asked,
    Cursor,
    EnvironmentPath,
    ExperimentPath,
    IfMatch,
    Limit,
    PromptPath,
    Reader,
    RegistryRoute,
    expected,
    part_of,
    tag,
)
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry_answers import ExperimentAnswer, Listed

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
) -> ExperimentAnswer:
    """Starts an experiment in place of the default or of a rule."""
    found = registry.start_experiment(
        actor,
        environment,
        name,
        body.name,
        tuple(Arm(arm.variant, arm.version, arm.weight) for arm in body.arms),
        rule=body.rule,
        evidence=given(body.evidence),
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
    )
    return _answer(registry, found, response)


@router.get("/experiments", responses=problem_responses(404))
def experiments(
    *,
    registry: Asked,
    _actor: Reader,
    environment: Annotated[str | None, Query(min_length=1, description="Only of this environment.")] = None,
    prompt: Annotated[str | None, Query(min_length=1, description="Only of this prompt.")] = None,
    status: Annotated[ExperimentStatus | None, Query(description="Only these.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[ExperimentAnswer]:
    """Experiments, newest first."""
    found = registry.experiments(environment, prompt)
    wanted = [each for each in found if status is None or each.status == status]
    items, next_cursor = part_of(wanted, [each.name for each in wanted], limit, cursor)
    return Listed(items=[ExperimentAnswer.model_validate(each) for each in items], next_cursor=next_cursor)


@router.get("/experiments/{experiment}", responses=problem_responses(404))
def experiment(
    registry: Asked, _actor: Reader, experiment: ExperimentPath, response: Response
) -> ExperimentAnswer:
    """One experiment with all its epochs. Its ETag is the revision of its deployment."""
    return _answer(registry, registry.experiment(experiment), response)


@router.put("/experiments/{experiment}/weights", responses=problem_responses(404, 409, 412))
def set_weights(
    *,
    registry: Asked,
    actor: Approver,
    experiment: ExperimentPath,
    body: WeightsBody,
    if_match: IfMatch,
    response: Response,
) -> ExperimentAnswer:
    """Changes the shares of the arms, which begins a new allocation epoch."""
    found = registry.set_weights(
        actor,
        experiment,
        body.weights,
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
    )
    return _answer(registry, found, response)


@router.post("/experiments/{experiment}/stop", responses=problem_responses(404, 409, 412))
def stop_experiment(
    *,
    registry: Asked,
    actor: Approver,
    experiment: ExperimentPath,
    body: StopBody,
    if_match: IfMatch,
    response: Response,
) -> ExperimentAnswer:
    """Ends an experiment: one arm's version goes on, or what was served before."""
    found = registry.stop_experiment(
        actor,
        experiment,
        keep=body.keep,
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
    )
    return _answer(registry, found, response)


def _answer(registry: Registry, found: ExperimentRecord, response: Response) -> ExperimentAnswer:
    tag(response, registry.deployment(found.environment, found.prompt).revision)
    return ExperimentAnswer.model_validate(found)
