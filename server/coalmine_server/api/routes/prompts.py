"""Prompts: which there are, and what happened to one."""

from fastapi import APIRouter

from coalmine_registry.errors import NotFound
from coalmine_registry.records import ENVIRONMENTS
from coalmine_registry.registry import Registry
from coalmine_server.api.parameters import Asked, Cursor, Limit, PromptPath, Reader, RegistryRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry_answers import AuditEntryAnswer, Listed, PromptAnswer, page_of

router = APIRouter(prefix="/v1/prompts", tags=["prompts"], route_class=RegistryRoute)


@router.get("", responses=problem_responses())
def prompts(
    registry: Asked, _actor: Reader, limit: Limit = 100, cursor: Cursor = None
) -> Listed[PromptAnswer]:
    """All prompts by name."""
    page = registry.prompts(limit, cursor)
    return Listed(**page_of(page, [PromptAnswer.model_validate(each) for each in page.items]))


@router.get("/{name}", responses=problem_responses(404))
def prompt(registry: Asked, _actor: Reader, name: PromptPath) -> PromptAnswer:
    """One prompt: how many versions, and which each environment serves."""
    versions = registry.versions(name)
    times = [each.created_at for each in versions]
    return PromptAnswer(
        name=versions[0].name,
        latest=versions[0].version,
        versions=len(versions),
        created_at=min(times),
        updated_at=max(times),
        serving=_serving(registry, name),
    )


@router.get("/{name}/log", responses=problem_responses(404))
def prompt_log(
    registry: Asked, _actor: Reader, name: PromptPath, limit: Limit = 100, cursor: Cursor = None
) -> Listed[AuditEntryAnswer]:
    """The whole story of a prompt, newest first: who registered, promoted, rolled back, when and why."""
    registry.versions(name)
    page = registry.audit_log(prompt=name, limit=limit, cursor=cursor)
    return Listed(**page_of(page, [AuditEntryAnswer.model_validate(each) for each in page.items]))


def _serving(registry: Registry, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for environment in ENVIRONMENTS:
        try:
            found[environment] = registry.deployment(environment, name).version
        except NotFound:
            continue
    return found
