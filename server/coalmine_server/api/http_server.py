"""The HTTP side of `coalmine serve`: a bound socket first, then uvicorn on it in a thread of its own."""

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from coalmine_server.api.connections import (
    LARGEST_HEAD_BYTES,
    Connections,
    GuardedProtocol,
    connection_limit,
)
from coalmine_server.settings.sections import ServerSettings, proxies
from coalmine_server.sockets import BACKLOG, bind

KEEP_ALIVE_S: Final = 20
"""How long an idle connection stays open: longer than clients keep one (httpx: 5 s), since a request that is
on its way as we close is lost."""


class _Uvicorn(uvicorn.Server):
    """Looks whether it is to end once a second, for the header `Date`, and at once when it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)

    def end(self) -> None:
        """Any thread may call it."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._told.set)


class HttpServer:
    """Serves one ASGI application until told to stop.

    The socket is bound by the constructor: a port in use is known before anything else has begun.
    Signals are the caller's business.
    """

    def __init__(self, host: str, port: int) -> None:
        """Binds.

        Raises:
            AddressInUse: Somebody listens there.
            ConfigurationError: The address is not one of this machine.
        """
        self._socket = bind(host, port)
        self._host = host
        self._server: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it is bound to."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where a client on this machine reaches it."""
        port = self.port
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - looked up
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self, app: ASGIApp, settings: ServerSettings) -> None:
        """Begins to answer, and returns."""
        most = connection_limit(settings.max_connections)
        config = uvicorn.Config(
            app,
            http=partial(GuardedProtocol, guard=Connections(most)),  # type: ignore[arg-type] # it is only called
            h11_max_incomplete_event_size=LARGEST_HEAD_BYTES,
            # Accepted at a time; more than are allowed, for a moment, until the guard sees them.
            backlog=max(1, min(BACKLOG, most // 4)),
            # Explicit, or uvicorn believes whoever asks from this machine, and FORWARDED_ALLOW_IPS.
            proxy_headers=bool(proxies(settings.trusted_proxies)),
            forwarded_allow_ips=proxies(settings.trusted_proxies),
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(settings.shutdown_timeout_s)),
        )
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Takes no more requests, finishes the open ones, and says whether that was done in time."""
        if self._server is None or self._thread is None:
            self._socket.close()
            return True
        self._server.end()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()
