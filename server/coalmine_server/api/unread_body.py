"""Answers that reach a client which is still sending its body."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 64 * 1024 * 1024
"""Read of a body that nobody wants; a client that sends more has not read its answer for long."""


class UnreadBodyMiddleware:
    """Takes what is still sent of a body once it was answered, where the connection is closed then.

    A connection that is closed with bytes unread is reset, and its client sees that and not the answer:
    proxies turn a 413 into a 502, and what sends batches sends the same one for ever. Where the connection
    stays open, uvicorn does the same. How long it may take is limited for any body, by `GuardedProtocol`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http" or not _is_closed_after(scope):
            await self._app(scope, receive, send)
            return
        read = False

        async def noting_receive() -> Message:
            nonlocal read
            message = await receive()
            read = not (message["type"] == "http.request" and message.get("more_body", False))
            return message

        async def lingering_send(message: Message) -> None:
            if read or message["type"] != "http.response.body" or message.get("more_body", False):
                await send(message)
                return
            await send({**message, "more_body": True})  # whoever reads it may stop sending
            left = MOST_BYTES
            while left > 0:
                late = await receive()
                left = left - len(late.get("body", b"")) if late.get("more_body", False) else 0
            await send({"type": "http.response.body", "body": b""})

        await self._app(scope, noting_receive, lingering_send)


def _is_closed_after(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if "expect" in headers:  # it waits to be asked for its body
        return False
    return scope["http_version"] == "1.0" or "close" in headers.get("connection", "").lower()
