"""Bearer tokens. Only admins see that there are any."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from coalmine_server.api.bodies import TokenBody
from coalmine_server.api.parameters import Admin, Asked, RegistryRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry_answers import NewTokenAnswer, TokenAnswer

router = APIRouter(prefix="/v1/tokens", tags=["tokens"], route_class=RegistryRoute)


@router.get("", responses=problem_responses())
def tokens(registry: Asked, _actor: Admin) -> list[TokenAnswer]:
    """All tokens, revoked ones too, oldest first; what they are is not kept."""
    return [TokenAnswer.model_validate(each) for each in registry.tokens.list()]


@router.post("", status_code=201, responses=problem_responses(409))
def create_token(registry: Asked, actor: Admin, body: TokenBody) -> NewTokenAnswer:
    """Makes a token. This is the only time it is shown."""
    record, text = registry.tokens.create(actor, body.subject, body.role)
    return NewTokenAnswer(**TokenAnswer.model_validate(record).model_dump(), token=text)


@router.post("/{token_id}/revoke", responses=problem_responses(404, 409))
def revoke_token(
    request: Request,
    registry: Asked,
    actor: Admin,
    token_id: Annotated[str, Path(min_length=1, max_length=100, description="Its id.")],
) -> TokenAnswer:
    """Makes a token worthless, from the next request on."""
    record = registry.tokens.revoke(actor, token_id)
    request.app.state.verifier.forget()
    return TokenAnswer.model_validate(record)
