"""The HTTP API, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Protocol

from anyio import to_thread
from coalmine_server.answers.base import Answers
from coalmine_server.http.http_metrics import HttpMetrics
from coalmine_server.http.middleware import Authenticated, Observed
from coalmine_server.http.openapi import install_openapi, operation_id
from coalmine_server.http.problems import ProblemError, install_problem_handlers
from coalmine_server.http.routes import health, measures, pipeline
from coalmine_server.tokens import TokenBook
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

DESCRIPTION = """Measures of prompt versions, and the state of the pipeline that takes them.

Every route but `/healthz` and `/readyz` needs `Authorization: Bearer TOKEN`. Errors are problem documents
(RFC 9457). Lists come as JSON, or with `Accept: application/vnd.apache.arrow.stream` as an Arrow stream.
Times are UTC; null means not known."""


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


def create_app(
    serving: Serving, tokens: TokenBook, registry: CollectorRegistry, *, query_threads: int = 4
) -> ASGIApp:
    """The application with everything around it.

    Args:
        serving: Who answers questions.
        tokens: Who may ask.
        registry: What `/metrics` shows; the API's own metrics are added.
        query_threads: Questions that are worked on at the same time; others wait.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = query_threads
        yield

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
    app.state.registry = registry
    install_problem_handlers(app)
    install_openapi(app)
    bearer = Depends(HTTPBearer(auto_error=False, description="For OpenAPI; the middleware checks it."))
    app.include_router(health.router)
    app.include_router(measures.router, dependencies=[bearer])
    app.include_router(pipeline.router, dependencies=[bearer])
    return Observed(Authenticated(app, tokens), HttpMetrics(registry))
