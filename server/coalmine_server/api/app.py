"""The HTTP API, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from anyio import to_thread
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from coalmine_consumers.store.reader import Reader
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Role
from coalmine_server.api import registry_router as registry_routes
from coalmine_server.api.access import needs
from coalmine_server.api.body_limit import LimitedBody
from coalmine_server.api.failed_logins import FailedLogins
from coalmine_server.api.http_metrics import HttpMetrics
from coalmine_server.api.hub import DeploymentHub
from coalmine_server.api.middleware import Authenticated, Observed
from coalmine_server.api.openapi import install_openapi, operation_id
from coalmine_server.api.problems import ProblemError, install_problem_handlers
from coalmine_server.api.registry_problems import install_registry_problems
from coalmine_server.api.routes import deployment_marks, drift, explain, health, measures, pipeline, readouts
from coalmine_server.api.routes.hygiene import LastUsed
from coalmine_server.api.verifier import Verifier
from coalmine_server.services.questions import Answers

DESCRIPTION = """Prompt versions and what environments serve of them; measures of versions, and the pipeline
that takes them.

Every route but `/healthz` and `/readyz` needs `Authorization: Bearer TOKEN`. Errors are problem documents
(RFC 9457). Every token has a role: reader, author, approver or admin, each allowing all that the ones before
it do; `x-coalmine-role` says which role an operation takes. Lists of the registry come in parts: `limit`, and
`cursor` from `next_cursor`. Lists of measures come as JSON, or with
`Accept: application/vnd.apache.arrow.stream` as an Arrow stream. Times are UTC; null means not known."""


class Serving(Protocol):
    """What the process behind the API can do at the moment."""

    def why_not_ready(self) -> ProblemError | None:
        """None if questions can be answered."""
        ...

    def answers(self) -> Answers:
        """Who answers questions.

        Raises:
            ProblemError: Nobody can now (503), and why.
        """
        ...

    def reader(self) -> Reader:
        """The store, to be read.

        Raises:
            ProblemError: It is not ours now (503), and why.
        """
        ...


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What the routes of the prompt registry work with."""

    registry: Registry
    hub: DeploymentHub
    last_used: LastUsed


@dataclass(frozen=True, slots=True)
class AccessParts:
    """Who may ask."""

    verifier: Verifier
    failed_logins: FailedLogins


def create_app(
    access: AccessParts,
    metrics: CollectorRegistry,
    serving: Serving,
    *,
    with_measures: bool = True,
    prompts: RegistryParts | None = None,
    query_threads: int = 4,
) -> ASGIApp:
    """The application with everything around it.

    Args:
        access: Who may ask.
        metrics: What `/metrics` shows; the API's own metrics are added.
        serving: Whether it is ready, and who answers questions about measures.
        with_measures: Whether it has the routes of measures and of the pipeline.
        prompts: The prompt registry, if it has those routes.
        query_threads: Questions about measures that are worked on at the same time; others wait.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = query_threads
        if prompts is None:
            yield
            return
        prompts.hub.start()
        prompts.registry.on_change(prompts.hub.notify)
        yield
        await prompts.hub.stop()

    app = FastAPI(
        lifespan=lifespan,
        title="Coalmine",
        version=version("coalmine"),
        description=DESCRIPTION,
        # The interactive pages load scripts from elsewhere and cannot send a token.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.state.serving = serving
    app.state.metrics = metrics
    app.state.verifier = access.verifier
    install_problem_handlers(app)
    install_registry_problems(app)
    install_openapi(app)
    bearer = Depends(HTTPBearer(auto_error=False, description="For OpenAPI; the middleware checks it."))
    app.include_router(health.router)
    if with_measures:
        app.include_router(measures.router, dependencies=[bearer, needs(Role.READER)])
        app.include_router(pipeline.router, dependencies=[bearer, needs(Role.READER)])
        app.include_router(deployment_marks.router, dependencies=[bearer, needs(Role.READER)])
        app.include_router(readouts.router, dependencies=[bearer, needs(Role.READER)])
        app.include_router(explain.router, dependencies=[bearer, needs(Role.READER)])
        app.include_router(drift.router, dependencies=[bearer, needs(Role.READER)])
    if prompts is not None:
        app.state.registry = prompts.registry
        app.state.hub = prompts.hub
        app.state.last_used = prompts.last_used
        for each in registry_routes.ROUTERS:
            app.include_router(each, dependencies=[bearer])
    authenticated = Authenticated(LimitedBody(app), access.verifier, access.failed_logins)
    return Observed(authenticated, HttpMetrics(metrics))
