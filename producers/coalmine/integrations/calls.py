"""Which prompt calls are for, and methods of a library that make an event of each call."""

import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from coalmine.call import Call
from coalmine_schemas.limited_log import RateLimitedLogger

_LOG: Final = RateLimitedLogger(logging.getLogger("coalmine"))

BeginCall = Callable[..., Call]
Take = Callable[[Call, Any], Any]
"""Records a reply and ends its call, now or when its stream ends; returns what the service gets."""
Begin = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Call, Take] | None]
"""Begins a call from a method's arguments, which it may change; None where there is nothing to measure."""
_MARK: Final = "_coalmine_wrapper"
_REMEMBERED: Final = 1_000
"""Request ids that a block keeps at most: one may last as long as the service."""
_BEGIN: Final[ContextVar[tuple[BeginCall, deque[str]] | None]] = ContextVar(
    "coalmine_begin_call", default=None
)


def using(begin: BeginCall) -> AbstractContextManager[deque[str]]:
    """Names the prompt that calls within a block are for: give it `prompt.call`.

    Each call of an instrumented client makes one event of its own. Outside of such a block none is made.

    Args:
        begin: Begins a call when given `model` and `provider`: `prompt.call`, or
            `partial(cm.call, "support-refund", version="1.3.0")`.

    Returns:
        A block that gives the request ids of its calls as they begin, for feedback and scores: the newest
        last, and of more than 1,000 the last ones.
    """
    request_ids: deque[str] = deque(maxlen=_REMEMBERED)
    return _within((begin, request_ids), request_ids)


def unmeasured() -> AbstractContextManager[deque[str]]:
    """Keeps calls within a block from making events, such as those a library makes for a call of its own."""
    return _within(None, deque())


@contextmanager
def _within(current: tuple[BeginCall, deque[str]] | None, request_ids: deque[str]) -> Iterator[deque[str]]:
    token = _BEGIN.set(current)
    try:
        yield request_ids
    finally:
        # A generator that holds the block may be closed in another context, which never knew of it.
        with suppress(ValueError):
            _BEGIN.reset(token)


def begin_call(*, model: object, provider: str | None) -> Call | None:
    """Begins a call for the prompt that `using` named; None outside of its block."""
    current = _BEGIN.get()
    if current is None:
        return None
    begin, request_ids = current
    try:
        call = begin(model=model, provider=provider).__enter__()
        request_ids.append(call.request_id)
        return call
    except Exception as error:  # noqa: BLE001 - whatever was given to `using`
        _LOG.report("begin", "an instrumented call could not be begun: %s", type(error).__name__)
        return None


def end_call(call: Call, error: BaseException | None = None) -> None:
    """Ends a call, the first time; an error of a caller who had enough of it is a cancellation."""
    # Structured output that the provider cut is raised by OpenAI's package together with what it sent.
    cut = getattr(error, "completion", None)
    if cut is not None:
        call.record(cut)
        error = None
    elif type(error).__name__ == "ContentFilterFinishReasonError":
        call.record(finish_reason="content_filter")
        error = None
    call.__exit__(None if error is None else type(error), error, None)


def take_whole(call: Call, reply: Any) -> Any:  # noqa: ANN401
    """Records a reply and ends its call."""
    call.record(reply)
    end_call(call)
    return reply


def measured(function: Callable[..., Any], begins: Begin) -> Callable[..., Any]:
    """Wraps a method, synchronous or not, so that each call is one event.

    Args:
        function: The method, bound. If it is measured already, what was said then is replaced: some services
            call `instrument` for each request, with a client that lives as long as they do.
        begins: Begins the call, and says what to do with its reply.
    """
    function = original(function)
    if inspect.iscoroutinefunction(inspect.unwrap(function)):

        @wraps(function)
        async def asynchronous(*args: Any, **arguments: Any) -> Any:  # noqa: ANN401
            begun = _begun(begins, args, arguments)
            if begun is None:
                return await function(*args, **arguments)
            try:
                with unmeasured():
                    reply = await function(*args, **arguments)
            except BaseException as error:
                end_call(begun[0], error)
                raise
            return _taken(*begun, reply)

        return replaces(asynchronous)

    @wraps(function)
    def synchronous(*args: Any, **arguments: Any) -> Any:  # noqa: ANN401
        begun = _begun(begins, args, arguments)
        if begun is None:
            return function(*args, **arguments)
        try:
            with unmeasured():
                reply = function(*args, **arguments)
        except BaseException as error:
            end_call(begun[0], error)
            raise
        return _taken(*begun, reply)

    return replaces(synchronous)


def replaces(wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function that `wraps` another, so that `original` finds that one."""
    vars(wrapper)[_MARK] = wrapper
    return wrapper


def original(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns what a marked function wraps; every other function as it is.

    What somebody else wrapped around a marked function has its attributes, but is not the one that is marked.
    """
    is_marked = getattr(function, _MARK, None) is function
    return function.__wrapped__ if is_marked else function  # type: ignore[attr-defined] # of `wraps`


def _begun(begins: Begin, args: tuple[Any, ...], arguments: dict[str, Any]) -> tuple[Call, Take] | None:
    try:
        return begins(args, arguments)
    except Exception as error:  # noqa: BLE001 - arguments are anything
        _LOG.report("begin", "an instrumented call could not be begun: %s", type(error).__name__)
        return None


def _taken(call: Call, take: Take, reply: Any) -> Any:  # noqa: ANN401
    try:
        return take(call, reply)
    except Exception as error:  # noqa: BLE001 - a reply is anything
        call.failed(f"measuring a reply of type {type(reply).__qualname__}", error)
        end_call(call)
        return reply
