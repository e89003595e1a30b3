"""The modules of routes, imported once they are needed: all of them by a server, one by a command alone.

What a route depends on takes FastAPI milliseconds to work out, and there are 160.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Final

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.routing import BaseRoute

from coalmine_registry.roles import Role
from coalmine_server.api.auth import needs
from coalmine_server.api.later_routes import LaterRouter, collection_of
from coalmine_server.api.parameters import known_parameters

MEASURES: Final[Mapping[str, Sequence[str]]] = {
    "measures": (
        *("deployment-marks", "facets", "model-calendar", "quantiles", "timeseries", "unpriced"),
        "versions",
    ),
    "calls": ("feedback", "requests"),
    "costs": ("costs", "savings", "spending"),
    "pipeline": ("audit", "dead-letters", "ingest", "rebuild", "segments"),
    "readouts": (
        *("breakdown", "compare", "drift", "drifts", "experiments", "explain", "metrics", "plan-check"),
        *("readouts", "rollouts", "timeline"),
    ),
    "ad_hoc": ("exports", "sql"),
    "alerts": ("alerts", "digest", "prompts", "wins"),
    "backups": ("backups", "forget", "snapshots"),
    "datasets": ("datasets",),
    "suites": ("suites",),
    "eval_runs": ("eval-runs",),
    "events": ("events",),
    "judges": ("judges",),
    "production": ("production-inputs", "production-scores", "reviews"),
    "reruns": ("eval-reruns", "model-flags"),
    "traces": ("traces",),
}
"""Modules of measures and of the pipeline, with what their paths have after `/v1/`.

A command that asks for anything else imports them all, and has to wait a second longer.
"""

PROMPTS: Final = (
    *("prompts", "promotions", "environments", "experiments", "rollouts"),
    *("freezes", "evidence", "deployments", "access"),
)
"""Modules of the prompt registry."""

FOR_READERS: Final = frozenset(("ad_hoc", "calls", "costs", "measures", "pipeline", "readouts"))
"""Whose routes do not name a role each."""

_BEARER = Depends(HTTPBearer(auto_error=False, description="For OpenAPI; the middleware checks it."))
KNOWN: Final = Depends(known_parameters)
"""Refuses parameters that a route does not have."""


def operation_id(route: APIRoute) -> str:
    """Names an operation by its function: unique here, and short in generated clients."""
    return route.name


def module_of(path: str) -> str | None:
    """The module of measures that answers a path such as `/v1/versions`; None if none is known to."""
    collection = collection_of(path)
    return next((name for name, collections in MEASURES.items() if collection in collections), None)


def routes_of(modules: Iterable[str], collection: str | None = None) -> list[BaseRoute]:
    """The routes of some modules, in this order; given a collection, only those below it."""
    return [route for name in modules for route in _routes(name, collection)]


@cache
def _routes(name: str, collection: str | None) -> Sequence[BaseRoute]:
    module: ModuleType = import_module(f"coalmine_server.api.routes.{name}")
    router = APIRouter(generate_unique_id_function=operation_id)
    for_readers = [needs(Role.READER)] if name in FOR_READERS else []
    router.include_router(_below(module.router, collection), dependencies=[_BEARER, *for_readers, KNOWN])
    changes: APIRouter | None = getattr(module, "changes", None)
    if changes is not None:
        router.include_router(_below(changes, collection), dependencies=[_BEARER, KNOWN])
    return router.routes


def _below(router: APIRouter, collection: str | None) -> APIRouter:
    """A router with the routes of one collection: FastAPI looks at every route before the one that fits."""
    if isinstance(router, LaterRouter):
        return router.below(collection)
    if collection is None:
        return router
    narrowed = copy(router)
    narrowed.routes = [
        each for each in router.routes if collection_of(getattr(each, "path", "")) == collection
    ]
    return narrowed
