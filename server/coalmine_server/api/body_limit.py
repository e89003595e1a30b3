"""Refuses requests whose body is larger than anything we are ever sent."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coalmine_server.api.problems import TOO_LARGE, problem_response

MAX_BODY_BYTES = 8 * 1024 * 1024
"""The largest we take are prompts: templates of 262,144 characters, which JSON may escape."""


class BodyLimitMiddleware:
    """Answers 413 once a body exceeds the limit, whether it says its length or not; nothing is kept of it."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._detail = f"a body has at most {max_bytes:,} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await problem_response(TOO_LARGE, self._detail)(scope, receive, send)
            return
        read = 0

        async def limited_receive() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._max_bytes:
                    raise HTTPException(TOO_LARGE.status, self._detail)
            return message

        await self._app(scope, limited_receive, send)
