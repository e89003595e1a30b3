"""Environments: their policies, what each serves of each prompt, rollback, targeting rules and offers."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from coalmine_registry.records import ENVIRONMENTS, DeploymentRecord, Policy, ServedVersion
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import Rule, Serve, ServeExperiment, ServeVersion
from coalmine_server.api.bodies import (
    OfferBody,
    PolicyBody,
    RollbackBody,
    RuleBody,
    RulesBody,
    WithdrawalBody,
    given,
)
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import (
    Admin,
    Approver,
    Asked,
    Author,
    EnvironmentPath,
    IfMatch,
    PromptPath,
    Reader,
    RegistryRoute,
    expected,
    lane,
    tag,
)
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.moment_parameter import Moment

At = Annotated[Moment | None, Query(description=f"What was served then: {MOMENT_HELP}. Now, if omitted.")]

router = APIRouter(prefix="/v1/environments", tags=["environments"], route_class=RegistryRoute)


@router.get("", responses=problem_responses())
def environments(registry: Asked, _actor: Reader) -> list[Policy]:
    """Policies of all environments, from the loosest to the strictest."""
    return [registry.policy(each) for each in ENVIRONMENTS]


@router.get("/{environment}/policy", responses=problem_responses(404))
def policy(registry: Asked, _actor: Reader, environment: EnvironmentPath, response: Response) -> Policy:
    """What an environment requires of promotions."""
    found = registry.policy(environment)
    tag(response, found.revision)
    return found


@router.put("/{environment}/policy", responses=problem_responses(404, 409, 412))
def set_policy(
    *,
    registry: Asked,
    actor: Admin,
    environment: EnvironmentPath,
    body: PolicyBody,
    if_match: IfMatch,
    response: Response,
) -> Policy:
    """Sets what an environment requires; what is left out is not required."""
    found = registry.set_policy(
        actor,
        environment,
        tuple(body.required_evidence),
        expected(if_match, body.expected_revision),
        requires_suite=body.requires_suite,
        evidence_max_age_days=body.evidence_max_age_days,
    )
    tag(response, found.revision)
    return found


@router.get("/{environment}/prompts", responses=problem_responses(404))
def deployments(
    registry: Asked, _actor: Reader, environment: EnvironmentPath, at: At = None
) -> list[DeploymentRecord]:
    """Everything that an environment serves, or served at some time, by prompt."""
    return registry.deployments(environment) if at is None else registry.deployments_at(environment, at)


@router.get("/{environment}/prompts/{name}", responses=problem_responses(404))
def deployment(
    *,
    registry: Asked,
    _actor: Reader,
    environment: EnvironmentPath,
    name: PromptPath,
    at: At = None,
    response: Response,
) -> DeploymentRecord:
    """What an environment serves, or served at some time, of a prompt."""
    if at is not None:
        return registry.deployment_at(environment, name, at)
    found = registry.deployment(environment, name)
    tag(response, found.revision)
    return found


@router.get("/{environment}/prompts/{name}/served-versions", responses=problem_responses(404))
def served_versions(
    registry: Asked, _actor: Reader, environment: EnvironmentPath, name: PromptPath
) -> list[ServedVersion]:
    """Versions that the environment serves or served before: those that a rollback can return to."""
    return registry.served_versions(environment, name)


@router.post("/{environment}/prompts/{name}/rollback", responses=problem_responses(404, 409, 412))
@lane("urgent")
def rollback(
    *,
    registry: Asked,
    actor: Author,
    environment: EnvironmentPath,
    name: PromptPath,
    body: RollbackBody,
    if_match: IfMatch,
    response: Response,
) -> DeploymentRecord:
    """Serves an earlier version again, at once and without a second person. Stops running experiments.

    Authors may go back to what was approved and served by default before; anything else takes an approver.
    """
    found = registry.rollback(
        actor,
        environment,
        name,
        to_version=body.to_version,
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
    )
    tag(response, found.revision)
    return found


@router.put("/{environment}/prompts/{name}/rules", responses=problem_responses(404, 409, 412))
def set_rules(
    *,
    registry: Asked,
    actor: Approver,
    environment: EnvironmentPath,
    name: PromptPath,
    body: RulesBody,
    if_match: IfMatch,
    response: Response,
) -> DeploymentRecord:
    """Replaces all targeting rules, which serve something else to some segments."""
    found = registry.set_rules(
        actor,
        environment,
        name,
        _rules(body.rules),
        evidence=given(body.evidence),
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
        override=body.override,
    )
    tag(response, found.revision)
    return found


@router.post("/{environment}/prompts/{name}/offer", responses=problem_responses(404, 409, 412))
def offer(
    *,
    registry: Asked,
    actor: Author,
    environment: EnvironmentPath,
    name: PromptPath,
    body: OfferBody,
    if_match: IfMatch,
    response: Response,
) -> DeploymentRecord:
    """Lets services prefer a version for users who ask for it. Needs what showing it to them needs."""
    found = registry.offer(
        actor,
        environment,
        name,
        body.version,
        evidence=given(body.evidence),
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
    )
    tag(response, found.revision)
    return found


@router.post("/{environment}/prompts/{name}/withdraw", responses=problem_responses(404, 409, 412))
def withdraw(
    *,
    registry: Asked,
    actor: Author,
    environment: EnvironmentPath,
    name: PromptPath,
    body: WithdrawalBody,
    if_match: IfMatch,
    response: Response,
) -> DeploymentRecord:
    """Offers a version no longer: who preferred it is served like everybody else. Needs no approval."""
    found = registry.withdraw(
        actor,
        environment,
        name,
        body.version,
        reason=body.reason,
        expected_revision=expected(if_match, body.expected_revision),
    )
    tag(response, found.revision)
    return found


def _rules(rules: list[RuleBody]) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            each.name,
            {segment: tuple(values) for segment, values in each.when.items()},
            _serve(each.serve, f"rules[{place}].serve"),
        )
        for place, each in enumerate(rules)
    )


def _serve(value: dict[str, object], field: str) -> Serve:
    match value:
        case {"version": str(version), **others} if not others:
            return ServeVersion(version)
        case {"experiment": str(experiment), **others} if not others:
            return ServeExperiment(experiment)
    raise InvalidParameter(f'{field}: give {{"version": "1.2.0"}} or {{"experiment": "name"}}')
