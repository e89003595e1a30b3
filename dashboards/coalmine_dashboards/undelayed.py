"""Small messages leave at once, rather than when the browser has acknowledged the one before.

Nagle's algorithm (RFC 896) holds a small segment back until the last one is acknowledged, and receivers put
acknowledgements off by 40 ms and more (RFC 1122, 4.2.3.2). A page is some hundred small messages and 50
scripts, each of two segments or more. asyncio switches the algorithm off for sockets that say that they are
of TCP; that on which Streamlit 1.67 listens does not say it, nor do those of its connections.
"""

import socket
from contextlib import suppress
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send


class Undelayed:
    """The middleware: what this process listens on when it starts delays nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] == "lifespan":  # the server listens already
            undelay_listeners()
        await self._app(scope, receive, send)


def undelay_listeners() -> None:
    """Switches the delay off for connections to come, which take it from the socket that is listened on.

    A matter of time alone: where a system does not list what is open, nothing is done.
    """
    with suppress(OSError):
        for opened in Path("/dev/fd").iterdir():
            _undelay(int(opened.name))


def _undelay(descriptor: int) -> None:
    with suppress(OSError):  # no socket, or closed meanwhile
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=descriptor)
        try:
            if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        finally:
            found.detach()  # it is somebody else's
