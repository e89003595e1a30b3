"""The HTTP API, put together, and its OpenAPI document."""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from anyio import to_thread
from fastapi import FastAPI, Request
from starlette.types import ASGIApp

from coalmine_server.api.auth import required_roles
from coalmine_server.api.modules import KNOWN, MEASURES, PROMPTS, operation_id, routes_of
from coalmine_server.api.problems import PROBLEM_MEDIA_TYPE, install_problem_handlers
from coalmine_server.api.representation import JSON_MEDIA_TYPE
from coalmine_server.errors import NotFound
from coalmine_server.services.owned_store import NotReady, OwnedStore

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from coalmine_registry.registry import Registry
    from coalmine_server.api.hub import DeploymentHub
    from coalmine_server.api.read_only import Answering
    from coalmine_server.api.registry import LastUsed
    from coalmine_server.api.routes.events import EventParts
    from coalmine_server.api.verifier import FailedLogins, Verifier
    from coalmine_server.services.sign_on import SignOn


_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def install_openapi(app: FastAPI) -> None:
    """Makes `/openapi.json` say which role an operation takes, and where a problem document comes.

    FastAPI writes every model under the media type of the route's success. Titles become unique, because
    generated clients name their classes by them.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        for (method, path), role in required_roles(app).items():
            document["paths"][path][method.lower()]["x-coalmine-role"] = role.value
        for operations in document["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    content = response.get("content", {})
                    if content.get(JSON_MEDIA_TYPE, {}).get("schema") == _PROBLEM:
                        content[PROBLEM_MEDIA_TYPE] = content.pop(JSON_MEDIA_TYPE)
                for parameter in operation.get("parameters", []):
                    parameter["schema"] = _titled(
                        parameter["schema"], f"{operation['operationId']}_{parameter['name']}_choice"
                    )
        for name, schema in document["components"]["schemas"].items():
            schema["title"] = _camel_case(name)
            for field, inner in schema.get("properties", {}).items():
                schema["properties"][field] = _titled(inner, f"{name}_{field}")
        return document

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation says


def _titled(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """A parameter or field, titled by its owner, too; a choice of words is one list of words."""
    choices = schema.get("anyOf", [])
    words = [word for each in choices for word in each.get("enum", [each.get("const")])]
    if choices and all(isinstance(word, str) for word in words):
        schema = {"type": "string", "enum": words, **{key: schema[key] for key in schema if key != "anyOf"}}
    for each in choices:
        if "enum" in each:
            each["title"] = _camel_case(name)
    return {**schema, "title": _camel_case(name)} if "enum" in schema else schema


def _camel_case(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document of a server with everything, as `docs/openapi.json` has it."""
    from coalmine_server.api.routes import feedback, health  # noqa: PLC0415 - imports Prometheus

    nothing: Any = None
    app = build_api(nothing, prompts=RegistryParts(nothing, nothing, nothing))
    app.include_router(health.router)
    app.include_router(feedback.router)
    return app.openapi()


DESCRIPTION = """Prompt versions, what environments serve, measures of versions, and the pipeline behind them.

Every route except `/healthz`, `/readyz` and signed feedback links needs `Authorization: Bearer TOKEN`. Errors
are problem documents (RFC 9457). Every token has a role: ingest, service, reader, author, approver or admin,
each allowing what the previous ones do; `x-coalmine-role` names the role an operation needs. Lists are paged:
pass `limit`, and `next_cursor` of one page as `cursor` of the next. Unknown query parameters are errors.
Lists of measures come as JSON, or with
`Accept: application/vnd.apache.arrow.stream` as an Arrow stream. Times are UTC; null means unknown. With
`Cache-Control: max-age=SECONDS`, ten at most, a question about measures is answered with what was told to
somebody with the same role within that time, unless somebody has changed anything since."""


class Stores(Protocol):
    """Where the API finds the store that it answers from."""

    def why_not_ready(self) -> Exception | None:
        """None if questions can be answered, else the reason (a `NotReady`)."""
        ...

    def why_degraded(self) -> str | None:
        """None if everything behind the API works, else what does not."""
        ...

    def owned_store(self) -> OwnedStore:
        """The store.

        Raises:
            NotReady: It is not ours now, and why.
            NotFound: This process has no store.
        """
        ...


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What the routes of the prompt registry work with."""

    registry: "Registry"
    hub: "DeploymentHub"
    last_used: "LastUsed"
    wake_rollouts: Callable[[], None] = lambda: None
    """Has rollouts decided about now, if this process does that."""
    most_rollouts_at_once: int = 0
    """Rollouts that may hold places in one environment at the same time; a replica starts none."""


@dataclass(frozen=True, slots=True)
class AccessParts:
    """Who may ask."""

    registry: "Registry"
    """Knows what belongs to which prompt, also where its routes are not."""
    verifier: "Verifier"
    failed_logins: "FailedLogins"
    sign_on: "SignOn | None" = None
    """Knows tokens of an identity provider."""


def build_api(
    stores: Stores,
    *,
    measures: Iterable[str] = tuple(MEASURES),
    collection: str | None = None,
    prompts: RegistryParts | None = None,
    query_threads: int = 4,
) -> FastAPI:
    """Routes and problem documents, without access control, logs and metrics.

    Args:
        stores: Where to find the store.
        measures: Modules of measures and of the pipeline whose routes to include.
        collection: Only their routes below `/v1/` and this; all if None.
        prompts: The prompt registry, to include its routes.
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
        routes=routes_of([*measures, *(() if prompts is None else PROMPTS)], collection),
    )
    app.state.stores = stores
    install_problem_handlers(app)
    install_openapi(app)
    if prompts is not None:
        app.state.registry = prompts.registry
        app.state.hub = prompts.hub
        app.state.last_used = prompts.last_used
        app.state.wake_rollouts = prompts.wake_rollouts
        app.state.most_rollouts_at_once = prompts.most_rollouts_at_once
    return app


def create_app(
    access: AccessParts,
    metrics: "CollectorRegistry",
    stores: Stores,
    *,
    with_measures: bool = True,
    prompts: RegistryParts | None = None,
    query_threads: int = 4,
    secret: str = "",
    events: "EventParts | None" = None,
    changes_elsewhere: Callable[[], int] = lambda: 0,
    replica: "tuple[Answering, Callable[[], str | None]] | None" = None,
) -> ASGIApp:
    """The application of a server, with everything around it.

    Args:
        access: Who may ask.
        metrics: What `/metrics` shows; the API's own metrics are added.
        stores: Where to find the store.
        with_measures: True to include the routes of measures and of the pipeline.
        prompts: As for `build_api`.
        query_threads: As for `build_api`.
        secret: What this server proves itself with to those who read its announcement.
        events: What takes events; given with the measures.
        changes_elsewhere: Grows with what any server on the registry changes.
        replica: For one that only answers: from which snapshot, and the server that takes changes.
    """
    from coalmine_server.api.middleware import (  # noqa: PLC0415
        AuthMiddleware,
        BodyLimitMiddleware,
        HttpMetrics,
        ObservabilityMiddleware,
    )
    from coalmine_server.api.prompt_scope import PromptScopeMiddleware  # noqa: PLC0415
    from coalmine_server.api.routes import health  # noqa: PLC0415
    from coalmine_server.api.routes.traces import SpanMetrics  # noqa: PLC0415
    from coalmine_server.api.shared_answers import SharedAnswersMiddleware  # noqa: PLC0415
    from coalmine_server.api.unread_body import UnreadBodyMiddleware  # noqa: PLC0415
    from coalmine_server.services.intake import ExperimentPrompts  # noqa: PLC0415

    app = build_api(
        stores, measures=MEASURES if with_measures else (), prompts=prompts, query_threads=query_threads
    )
    app.state.metrics = metrics
    app.state.registry = access.registry
    app.state.verifier = access.verifier
    app.state.secret = secret
    app.state.events = events
    app.state.experiment_prompts = ExperimentPrompts(access.registry.prompts_of_experiments)
    app.state.span_metrics = SpanMetrics(metrics)
    app.include_router(health.router)
    open_paths: frozenset[str] = frozenset()
    if with_measures:
        from coalmine_server.api.routes import feedback  # noqa: PLC0415 - imports SQLAlchemy

        app.include_router(feedback.router, dependencies=[KNOWN])
        open_paths = feedback.OPEN_PATHS
    else:
        app.add_api_route("/v1/{rest:path}", _elsewhere, include_in_schema=False)
    scoped = PromptScopeMiddleware(app, app.state)
    shared = SharedAnswersMiddleware(
        BodyLimitMiddleware(scoped), partial(_state_of, stores), acts_elsewhere=changes_elsewhere
    )
    answering: ASGIApp = shared
    if replica is not None:
        from coalmine_server.api.read_only import ReadOnlyMiddleware  # noqa: PLC0415

        answering = ReadOnlyMiddleware(shared, *replica)
    authenticated = AuthMiddleware(
        answering, access.verifier, access.failed_logins, open_paths, access.sign_on
    )
    return UnreadBodyMiddleware(ObservabilityMiddleware(authenticated, HttpMetrics(metrics)))


def _elsewhere(request: Request) -> None:
    """Whoever asks where there is no store is told where there is one."""
    request.app.state.stores.owned_store()


def _state_of(stores: Stores) -> tuple[object, int] | None:
    """What differs once the store has changed; None while there is none."""
    try:
        store = stores.owned_store().store
    except (NotReady, NotFound):
        return None
    return store, store.changes  # not its id, which the next one may have
