"""Follows the body of an HTTP response while the service reads it, in whatever way it does."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from coalmine.call import Call
from coalmine.integrations.calls import end_call

_END_OF_EVENT: Final = re.compile(rb"\r?\n\r?\n")
_LONGEST_END: Final = 4
_MAX_BYTES: Final = 1 << 24
"""Of one body, or one event of a stream, that are kept until they are complete."""


class MeasuredBody:
    """Records the JSON in a body as it passes; the call ends once, however the body does.

    A body closed early, or dropped, is a call that was cancelled: no error of the service.

    Args:
        call: Whose reply this is.
        is_stream: Whether the body is a stream of server-sent events.
        hides_usage: Keep the chunk that has nothing but usage from the service, which did not ask for it and
            may look at `choices[0]` of every chunk.
    """

    def __init__(self, call: Call, *, is_stream: bool, hides_usage: bool) -> None:
        self._call: Call | None = call
        self._is_stream = is_stream
        self._hides_usage = hides_usage and is_stream
        self._waiting = bytearray()  # bytes would be copied whole with each chunk
        self._is_reading = False

    @classmethod
    def follow(cls, response: Any, call: Call, *, hides_usage: bool) -> None:  # noqa: ANN401
        """Puts itself between a response of httpx and those who read or close it."""
        is_stream = "event-stream" in response.headers.get("content-type", "")
        body = cls(call, is_stream=is_stream, hides_usage=hides_usage)
        read, read_async = response.iter_bytes, response.aiter_bytes
        close, close_async = response.close, response.aclose

        def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
            return body.passing(read(chunk_size))

        def aiter_bytes(chunk_size: int | None = None) -> AsyncIterator[bytes]:
            return body.passing_async(read_async(chunk_size))

        def closing() -> None:
            body.close()
            close()

        async def closing_async() -> None:
            body.close()
            await close_async()

        response.iter_bytes, response.aiter_bytes = iter_bytes, aiter_bytes
        response.close, response.aclose = closing, closing_async

    def passing(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Passes bytes on and ends the call when they end."""
        try:
            while True:
                self._is_reading = True
                chunk = next(chunks, None)
                self._is_reading = False
                if chunk is None:
                    break
                if passed := self._take(chunk):
                    yield passed
            if rest := self._finish():
                yield rest
        except BaseException as error:
            self.end(error)
            raise

    async def passing_async(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same for an asynchronous client."""
        try:
            while True:
                self._is_reading = True
                chunk = await anext(chunks, None)
                self._is_reading = False
                if chunk is None:
                    break
                if passed := self._take(chunk):
                    yield passed
            if rest := self._finish():
                yield rest
        except BaseException as error:
            self.end(error)
            raise

    def close(self) -> None:
        """Ends the call as cancelled, unless httpx closes what it has read to its end."""
        if not self._is_reading:
            self.end(GeneratorExit())

    def end(self, error: BaseException | None = None) -> None:
        """Ends the call, the first time."""
        call, self._call = self._call, None
        if call is not None:
            end_call(call, error)

    def __del__(self) -> None:
        if self._call is not None:
            self._call.abandon()

    def _take(self, chunk: bytes) -> bytes:
        if self._call is None and not self._hides_usage:
            return chunk
        searched = max(0, len(self._waiting) - _LONGEST_END)
        self._waiting += chunk
        if len(self._waiting) > _MAX_BYTES:
            return self._give_up(chunk)
        if not self._is_stream:
            return chunk
        passed, begins = [], 0
        while match := _END_OF_EVENT.search(self._waiting, max(begins, searched)):
            event, begins = bytes(self._waiting[begins : match.end()]), match.end()
            if not self._event(event):
                passed.append(event)
        del self._waiting[:begins]
        return b"".join(passed) if self._hides_usage else chunk

    def _give_up(self, chunk: bytes) -> bytes:
        passed = bytes(self._waiting) if self._hides_usage else chunk
        self._waiting, self._hides_usage = bytearray(), False
        if self._call is not None:
            self._call.failed("following a reply of more than 16 MiB", OverflowError())
        self.end()
        return passed

    def _finish(self) -> bytes:
        """Takes what no end of an event followed; returns what is still to be passed on."""
        rest, self._waiting = bytes(self._waiting), bytearray()
        if self._is_stream and rest:
            rest = b"" if self._event(rest) else rest
        elif rest and self._call is not None:
            self._record(rest)
        self.end()
        return rest if self._hides_usage else b""

    def _event(self, event: bytes) -> bool:
        """Records one event; True if the service is not to see it."""
        lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
        data = b"\n".join(lines)
        if data.startswith(b"[DONE]"):
            self.end()
        if not data.startswith(b"{"):
            return False
        piece = self._record(data)
        return self._hides_usage and piece.get("choices") == [] and piece.get("usage") is not None

    def _record(self, data: bytes) -> dict[str, Any]:
        try:
            piece = json.loads(data)
        except (ValueError, RecursionError) as error:
            if self._call is not None:
                self._call.failed("reading JSON in a reply", error)
            return {}
        if self._call is not None:
            self._call.record(piece)
        return piece if isinstance(piece, dict) else {}
