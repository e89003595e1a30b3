"""Who may do what: bearer tokens are checked here, and each route says which role it needs."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute, iter_route_contexts

from coalmine_registry.roles import Actor, Role
from coalmine_server.api.problems import FORBIDDEN, ProblemError

ROLE_ATTRIBUTE: Final = "coalmine_role"


def actor_of(request: Request) -> Actor:
    """Who asks, as the middleware found out."""
    actor: Actor = request.scope["coalmine.actor"]
    return actor


def needs(role: Role) -> Any:  # noqa: ANN401 - FastAPI's own dependencies are Any
    """A dependency of a route: the actor, whose role has to be `role` or a larger one."""

    async def actor(request: Request) -> Actor:
        found = actor_of(request)
        if not found.role.allows(role):
            raise ProblemError(
                FORBIDDEN,
                f"this takes the role {role.value}; the token of {found.subject} has {found.role.value}: "
                "ask an admin for another",
            )
        return found

    setattr(actor, ROLE_ATTRIBUTE, role)
    return Depends(actor)


def required_roles(app: FastAPI) -> dict[tuple[str, str], Role]:
    """The role that each operation takes, by method and path: the largest that its dependencies name."""
    found: dict[tuple[str, str], Role] = {}
    for route in iter_route_contexts(app.routes):
        if not isinstance(route.original_route, APIRoute):
            continue
        roles = list(_roles(route.dependant))
        if roles:
            for method in route.methods or ():
                found[method, str(route.path_format)] = max(roles, key=tuple(Role).index)
    return found


def _roles(dependant: Any) -> Iterator[Role]:  # noqa: ANN401 - FastAPI's model of dependencies
    if hasattr(dependant.call, ROLE_ATTRIBUTE):
        yield getattr(dependant.call, ROLE_ATTRIBUTE)
    for each in dependant.dependencies:
        yield from _roles(each)
