"""The API in this process: what answers a command where no server runs."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from coalmine_consumers.store import Store
from coalmine_registry.roles import Actor
from coalmine_server.api.app import build_api
from coalmine_server.api.later_routes import collection_of
from coalmine_server.api.modules import FOR_READERS, MEASURES, module_of
from coalmine_server.client.http import Client
from coalmine_server.services.experiment_plans import RegistryWhenAsked
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.settings import Settings


@contextmanager
def in_process_client(settings: Settings, store: Store) -> Iterator[Client]:
    """A client of the API over a store that this process owns. Every request is the system's own."""
    owned = OwnedStore(store, settings, RegistryWhenAsked(settings))

    @cache
    def api_of(module: str | None, collection: str | None) -> FastAPI:
        return build_api(_OneStore(owned), measures=[module] if module else MEASURES, collection=collection)

    async def as_system(scope: Scope, receive: Receive, send: Send) -> None:
        scope["coalmine.actor"] = Actor.of_system()
        module = module_of(scope["path"])
        # Where no module is known the whole API answers, which is built once for all such paths.
        collection = None if module is None else collection_of(scope["path"])
        with _without_old_models() if module in FOR_READERS else nullcontext():
            await api_of(module, collection)(scope, receive, send)

    client = Client("http://in-process", None, transport=_Transport(as_system))
    try:
        yield client
    finally:
        client.close()
        owned.close_databases()


@contextmanager
def _without_old_models() -> Iterator[None]:
    """Hides pydantic.v1 for a while, as if this pydantic had none, which FastAPI is prepared for.

    It asks of each model of a route whether it is one of those: the import takes as long as the answer does,
    and no route here has any. Only where no other library's code runs, which may want it.
    """
    old = "pydantic.v1"
    hidden = old not in sys.modules
    if hidden:
        sys.modules[old] = None  # type: ignore[assignment] # an import finds no module: Python's reference, 5.3.1
    try:
        yield
    finally:
        if hidden:
            del sys.modules[old]


class _OneStore:
    """Implements `Stores` over a store that stays open."""

    def __init__(self, owned: OwnedStore) -> None:
        self._owned = owned

    def why_not_ready(self) -> None:
        return None

    def why_degraded(self) -> None:
        return None

    def owned_store(self) -> OwnedStore:
        return self._owned


class _Transport(httpx2.BaseTransport):
    """Runs an ASGI application in this process, a request at a time."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - any ASGI application
        self._transport = httpx2.ASGITransport(app)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return asyncio.run(self._handle(request))

    async def _handle(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._transport.handle_async_request(request)
        content = await response.aread()
        return httpx2.Response(response.status_code, headers=response.headers, content=content)
