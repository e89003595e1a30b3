"""Which prompt calls are for, and methods of a provider's client that make an event of each call."""

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from coalmine.call import Call
from coalmine.integrations.streams import MeasuredPieces

_LOGGER: Final = logging.getLogger("coalmine")
_RAW: Final = "x-stainless-raw-response"
"""Header by which the packages of OpenAI and Anthropic mark calls whose reply is wanted raw."""

BeginCall = Callable[..., Call]
_BEGIN: Final[ContextVar[BeginCall | None]] = ContextVar("coalmine_begin_call", default=None)


@contextmanager
def using(begin: BeginCall) -> Iterator[None]:
    """Names the prompt that calls within a block are for: give it `prompt.call`.

    Each call of an instrumented client makes one event of its own. Outside of such a block none is made.

    Args:
        begin: Begins a call when given `model` and `provider`: `prompt.call`, or
            `partial(cm.call, "support-refund", version="1.3.0")`.
    """
    token = _BEGIN.set(begin)
    try:
        yield
    finally:
        _BEGIN.reset(token)


def measured(create: Callable[..., Any], provider: str, *, asks_usage: bool = False) -> Callable[..., Any]:
    """Wraps a client's method so that each call is one event.

    Args:
        create: The method, bound.
        provider: Whom it asks.
        asks_usage: Whether to ask for the usage of streams, and to keep its chunk from the service.
    """

    def begun(arguments: dict[str, Any]) -> tuple[Call | None, bool]:
        begin = _BEGIN.get()
        is_raw_stream = arguments.get("stream") is True and _RAW in (arguments.get("extra_headers") or {})
        if begin is None or is_raw_stream:
            return None, False
        try:
            call = begin(model=arguments.get("model"), provider=provider).__enter__()
        except Exception:
            _LOGGER.debug("a call could not be begun", exc_info=True)
            return None, False
        hides = asks_usage and arguments.get("stream") is True and not arguments.get("stream_options")
        if hides:
            arguments["stream_options"] = {"include_usage": True}
        return call, hides

    if inspect.iscoroutinefunction(inspect.unwrap(create)):

        @wraps(create)
        async def asynchronous(*args: Any, **arguments: Any) -> Any:  # noqa: ANN401
            call, hides = begun(arguments)
            if call is None:
                return await create(*args, **arguments)
            try:
                reply = await create(*args, **arguments)
            except BaseException as error:
                call.__exit__(type(error), error, None)
                raise
            return _taken(call, reply, hides_usage=hides)

        return asynchronous

    @wraps(create)
    def synchronous(*args: Any, **arguments: Any) -> Any:  # noqa: ANN401
        call, hides = begun(arguments)
        if call is None:
            return create(*args, **arguments)
        try:
            reply = create(*args, **arguments)
        except BaseException as error:
            call.__exit__(type(error), error, None)
            raise
        return _taken(call, reply, hides_usage=hides)

    return synchronous


def _taken(call: Call, reply: Any, *, hides_usage: bool) -> Any:  # noqa: ANN401
    """Records a whole reply, or follows a stream to its end."""
    try:
        if hasattr(reply, "_iterator"):
            MeasuredPieces.follow(reply, call, hides_usage=hides_usage)
            return reply
        call.record(reply.parse() if hasattr(reply, "http_response") else reply)
    except Exception:
        _LOGGER.debug("a reply could not be recorded", exc_info=True)
    call.__exit__(None, None, None)
    return reply
