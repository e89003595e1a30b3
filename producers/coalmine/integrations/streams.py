"""Follows a stream of a provider's client until it ends, breaks or is closed."""

from collections.abc import Callable
from typing import Any, Self

from coalmine.call import Call


class MeasuredPieces:
    """The pieces of a stream, each recorded as it passes; the call ends once, however the stream does.

    A stream closed early, or dropped, is a call that was cancelled: no error of the service.
    """

    def __init__(self, pieces: Any, call: Call, *, hides_usage: bool) -> None:  # noqa: ANN401
        self._pieces = pieces
        self._call: Call | None = call
        self._hides_usage = hides_usage

    @classmethod
    def follow(cls, stream: Any, call: Call, *, hides_usage: bool) -> None:  # noqa: ANN401
        """Puts itself between a stream and its pieces."""
        pieces = cls(stream._iterator, call, hides_usage=hides_usage)
        stream._iterator = pieces
        stream.close = pieces.closing(stream.close, is_async=hasattr(stream, "__anext__"))

    def closing(self, close: Callable[[], Any], *, is_async: bool) -> Callable[[], Any]:
        """Wraps the stream's `close`."""

        async def asynchronous() -> None:
            self.end(GeneratorExit())
            await close()

        def synchronous() -> None:
            self.end(GeneratorExit())
            close()

        return asynchronous if is_async else synchronous

    def end(self, error: BaseException | None = None) -> None:
        """Ends the call, the first time."""
        call, self._call = self._call, None
        if call is not None:
            call.__exit__(None if error is None else type(error), error, None)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:  # noqa: ANN401
        while True:
            try:
                piece = next(self._pieces)
            except StopIteration:
                self.end()
                raise
            except BaseException as error:
                self.end(error)
                raise
            if self._passes(piece):
                return piece

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401
        while True:
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                self.end()
                raise
            except BaseException as error:
                self.end(error)
                raise
            if self._passes(piece):
                return piece

    def __del__(self) -> None:
        self.end(GeneratorExit())

    def _passes(self, piece: Any) -> bool:  # noqa: ANN401
        if self._call is not None:
            self._call.record(piece)
        # Services that did not ask for it may look at `choices[0]` of every chunk.
        return not (self._hides_usage and not piece.choices and piece.usage is not None)
