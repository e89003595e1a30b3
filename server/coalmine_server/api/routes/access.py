"""Bearer tokens, which only admins see, and the audit log: who may do what, and who did."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.records import AuditEntry, Caller, NewToken, TokenRecord
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import TokenBody
from coalmine_server.api.parameters import Cursor, Limit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import (
    Admin,
    Approver,
    Asked,
    PromptPath,
    Reader,
    RegistryRoute,
    Service,
    lane,
)

router = APIRouter(prefix="/v1", route_class=RegistryRoute)


@router.get("/whoami", tags=["tokens"], responses=problem_responses())
async def whoami(actor: Service) -> Caller:
    """Who the token belongs to, and what it allows: what a page asks that signs its viewer in."""
    return Caller(actor.subject, actor.role, actor.environment, actor.prompts)


@router.get("/tokens", tags=["tokens"], responses=problem_responses())
def tokens(registry: Asked, _actor: Admin) -> list[TokenRecord]:
    """All tokens, oldest first, including revoked ones, without their text."""
    return list(registry.tokens.list())


@router.post("/tokens", tags=["tokens"], status_code=201, responses=problem_responses(409))
def create_token(request: Request, registry: Asked, actor: Admin, body: TokenBody) -> NewToken:
    """Creates a token. Its text is shown this once."""
    made = registry.tokens.create(
        actor, body.subject, body.role, environment=body.environment, prompts=body.prompts
    )
    request.app.state.verifier.forget()
    return made


@router.post("/tokens/{token_id}/revoke", tags=["tokens"], responses=problem_responses(404, 409))
@lane("urgent")
def revoke_token(
    request: Request,
    registry: Asked,
    actor: Admin,
    token_id: Annotated[str, Path(min_length=1, max_length=100, description="Id of the token.")],
) -> TokenRecord:
    """Revokes a token, from the next request on."""
    record = registry.tokens.revoke(actor, token_id)
    request.app.state.verifier.forget()
    request.app.state.hub.revoked()
    return record


@router.get("/audit-log", tags=["audit"], responses=problem_responses(404))
def audit_log(
    *,
    registry: Asked,
    _actor: Approver,
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
