"""Follows a stream of a library's objects until it ends, breaks or is closed."""

from typing import Any, Self

from coalmine.integrations.calls import end_call
from coalmine.replies import is_first_token


class MeasuredStream:
    """Stands for a stream, synchronous or not, and records each piece as it passes.

    The call ends once, however the stream does: closed early, or dropped, it was cancelled, which is no error
    of the service. It has the stream's attributes, and passes for one of the stream's class.

    Args:
        stream: What the library returned.
        call: The `Call` whose reply that is.
    """

    def __init__(self, stream: Any, call: Any) -> None:  # noqa: ANN401
        self._stream = stream
        self._pieces: Any = None
        self._call: Any = call

    @property  # type: ignore[misc] # `isinstance` asks a proxy by it
    def __class__(self) -> Any:  # noqa: ANN401
        """The stream's, since some code looks at it."""
        return type(self._stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name in {"_stream", "_call"}:  # a copy that is being made has neither
            raise AttributeError(name)
        return getattr(self._stream, name)

    def close(self) -> Any:  # noqa: ANN401 - an asynchronous stream returns what is to be awaited
        """Ends the call and closes the stream."""
        self._end(GeneratorExit())
        return self._stream.close()

    def aclose(self) -> Any:  # noqa: ANN401
        """The same, under the name that asynchronous generators have for it."""
        self._end(GeneratorExit())
        return self._stream.aclose()

    def __enter__(self) -> Any:  # noqa: ANN401 - of streams that may stand in `with`
        entered = type(self._stream).__enter__(self._stream)
        return self if entered is self._stream else entered

    def __exit__(self, *raised: Any) -> Any:  # noqa: ANN401
        self._end(GeneratorExit())
        return type(self._stream).__exit__(self._stream, *raised)

    async def __aenter__(self) -> Any:  # noqa: ANN401
        entered = await type(self._stream).__aenter__(self._stream)
        return self if entered is self._stream else entered

    async def __aexit__(self, *raised: Any) -> Any:  # noqa: ANN401
        self._end(GeneratorExit())
        return await type(self._stream).__aexit__(self._stream, *raised)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:  # noqa: ANN401
        try:
            if self._pieces is None:
                self._pieces = iter(self._stream)
            while self._taken(piece := next(self._pieces)):
                pass
        except StopIteration:
            self._end()
            raise
        except BaseException as error:
            self._end(error)
            raise
        return piece

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401
        try:
            if self._pieces is None:
                self._pieces = aiter(self._stream)
            while self._taken(piece := await anext(self._pieces)):
                pass
        except StopAsyncIteration:
            self._end()
            raise
        except BaseException as error:
            self._end(error)
            raise
        return piece

    def __del__(self) -> None:
        if (call := getattr(self, "_call", None)) is not None:
            call.abandon()

    def _is_hidden(self, piece: Any) -> bool:  # noqa: ANN401 - for those that ask for more
        """Whether the service is not to see a piece."""
        return False

    def _taken(self, piece: Any) -> bool:  # noqa: ANN401
        """Records a piece; True if the service is not to see it."""
        try:
            self._record(piece)
            return self._is_hidden(piece)
        except Exception as error:  # noqa: BLE001 - whatever a piece's properties raise stays here
            if self._call is not None:
                self._call.failed("reading a piece of a stream", error)
            return False

    def _record(self, piece: Any) -> None:  # noqa: ANN401
        if self._call is not None:
            self._call.record(piece)
            # `record` cannot tell a piece of Gemini's from a whole reply.
            if self._call.first_token_ns is None and is_first_token(piece):
                self._call.first_token()

    def _end(self, error: BaseException | None = None) -> None:
        call, self._call = self._call, None
        if call is not None:
            end_call(call, error)
