"""The audit log: who did what."""

from typing import Annotated

from fastapi import APIRouter, Query

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.records import AuditEntry
from coalmine_schemas.results import Page
from coalmine_server.api.parameters import Cursor, Limit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Asked, PromptPath, Reader, RegistryRoute

router = APIRouter(prefix="/v1", route_class=RegistryRoute)


@router.get("/audit-log", tags=["audit"], responses=problem_responses(404))
def audit_log(
    *,
    registry: Asked,
    _actor: Reader,
    prompt: Annotated[str | None, Query(min_length=1, description="Only entries about this prompt.")] = None,
    environment: Annotated[
        str | None, Query(min_length=1, description="Only entries about this environment.")
    ] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    """Every change, newest first: who, when, with which token, before and after. Never changed or deleted."""
    return registry.audit_log(prompt, environment, limit, cursor)


@router.get("/prompts/{name}/log", tags=["prompts"], responses=problem_responses(404))
def prompt_log(
    registry: Asked, _actor: Reader, name: PromptPath, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Page[AuditEntry]:
    """The history of a prompt, newest first: who registered, promoted, rolled back, when and why."""
    registry.prompt(name)
    return registry.audit_log(name, None, limit, cursor)
