"""Measures the requests of a model of Pydantic AI: `Agent(instrument(OpenAIChatModel(...)))`."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, TypeVar

from coalmine.call import Call
from coalmine.integrations.calls import (
    Take,
    begin_call,
    end_call,
    measured,
    original,
    replaces,
    take_whole,
    unmeasured,
)

ModelT = TypeVar("ModelT")


def instrument(model: ModelT, *, provider: str | None = None) -> ModelT:
    """Measures a model's requests, streamed or not, where `using` says what for.

    Each request of an agent's run is one event, tool calls and retries of the output among them.

    Args:
        model: Any `pydantic_ai.models.Model`; `infer_model` makes one of a name.
        provider: Who answers; the model's `system` unless given.

    Returns:
        The same model.
    """
    found: Any = model

    def begin() -> Call | None:
        return begin_call(model=found.model_name, provider=provider or found.system)

    def begins(_: tuple[Any, ...], __: dict[str, Any]) -> tuple[Call, Take] | None:
        call = begin()
        return None if call is None else (call, take_whole)

    request_stream = original(found.request_stream)

    @replaces
    @wraps(request_stream)
    @asynccontextmanager
    async def measured_stream(*args: Any, **arguments: Any) -> AsyncIterator[Any]:  # noqa: ANN401
        call = begin()
        if call is None:
            async with request_stream(*args, **arguments) as stream:
                yield stream
            return
        began, stream = time.perf_counter(), None
        opened = request_stream(*args, **arguments)
        try:
            with unmeasured():
                stream = await opened.__aenter__()
        except BaseException as error:
            end_call(call, error)
            raise
        try:
            yield stream
        except BaseException as error:
            _end_stream(call, stream, began, error)
            if not await opened.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            _end_stream(call, stream, began)
            await opened.__aexit__(None, None, None)

    found.request, found.request_stream = measured(found.request, begins), measured_stream
    return model


def _end_stream(call: Call, stream: Any, began: float, error: BaseException | None = None) -> None:  # noqa: ANN401
    try:
        first_s = stream.time_to_first_chunk(began)
        if first_s is not None:
            call.first_token_ns = int(first_s * 1e9)
        response = stream.get()
        call.record(response)
        if error is None and response.state != "complete":
            error = GeneratorExit()
    except Exception as problem:  # noqa: BLE001 - a stream that broke may have no response
        call.failed("reading a stream of Pydantic AI", problem)
    end_call(call, error)
