"""Bearer tokens, for admins only."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from coalmine_registry.records import NewToken, TokenRecord
from coalmine_server.api.bodies import TokenBody
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Admin, Asked, RegistryRoute

router = APIRouter(prefix="/v1/tokens", tags=["tokens"], route_class=RegistryRoute)


@router.get("", responses=problem_responses())
def tokens(registry: Asked, _actor: Admin) -> list[TokenRecord]:
    """All tokens, oldest first, including revoked ones, without their text."""
    return list(registry.tokens.list())


@router.post("", status_code=201, responses=problem_responses(409))
def create_token(registry: Asked, actor: Admin, body: TokenBody) -> NewToken:
    """Creates a token. Its text is shown this once."""
    return registry.tokens.create(actor, body.subject, body.role)


@router.post("/{token_id}/revoke", responses=problem_responses(404, 409))
def revoke_token(
    request: Request,
    registry: Asked,
    actor: Admin,
    token_id: Annotated[str, Path(min_length=1, max_length=100, description="Id of the token.")],
) -> TokenRecord:
    """Revokes a token, from the next request on."""
    record = registry.tokens.revoke(actor, token_id)
    request.app.state.verifier.forget()
    return record
