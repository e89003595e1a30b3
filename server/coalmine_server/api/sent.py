"""Answers of an application, taken and sent on; bodies that were read, to be read again."""

from dataclasses import dataclass, field
from typing import Self

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Send


@dataclass(slots=True)
class Sent:
    """An answer as an application sends it."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    route: object = None
    """Of Starlette; names the route in metrics."""

    @classmethod
    def of(cls, response: Response) -> Self:
        """Returns what a response would send."""
        return cls(response.status_code, list(response.raw_headers), bytearray(response.body), complete=True)

    async def take(self, message: Message) -> None:
        """Takes a message, as ASGI's `send`."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.complete = not message.get("more_body", False)

    def with_body(self, body: bytes) -> "Sent":
        """Returns the same answer with another body."""
        message = {"headers": [*self.headers]}
        MutableHeaders(scope=message)["content-length"] = str(len(body))
        return Sent(self.status, message["headers"], bytearray(body), complete=True)


async def send_as_sent(sent: Sent, send: Send) -> None:
    """Sends an answer."""
    # Others add headers of their own to the list.
    await send({"type": "http.response.start", "status": sent.status, "headers": [*sent.headers]})
    await send({"type": "http.response.body", "body": bytes(sent.body)})


def replay(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives a body that was read, and then what comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
