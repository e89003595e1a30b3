"""Who did what."""

from typing import Annotated

from fastapi import APIRouter, Query

from coalmine_server.api.parameters import Asked, Cursor, Limit, Reader, RegistryRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry_answers import AuditEntryAnswer, Listed, page_of

router = APIRouter(prefix="/v1", tags=["audit"], route_class=RegistryRoute)


@router.get("/audit-log", responses=problem_responses(404))
def audit_log(
    *,
    registry: Asked,
    _actor: Reader,
    prompt: Annotated[str | None, Query(min_length=1, description="Only of this prompt.")] = None,
    environment: Annotated[str | None, Query(min_length=1, description="Only of this environment.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listed[AuditEntryAnswer]:
    """Every change: who, when, with which token, before and after; newest first. Never changed or deleted."""
    page = registry.audit_log(prompt=prompt, environment=environment, limit=limit, cursor=cursor)
    return Listed(**page_of(page, [AuditEntryAnswer.model_validate(each) for each in page.items]))
