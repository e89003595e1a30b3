"""Measures calls by LiteLLM: `instrument(litellm)`, or `instrument(router)`."""

import inspect
from functools import partial
from typing import Any, Final, TypeVar

from coalmine.call import Call
from coalmine.integrations.calls import Take, begin_call, measured, take_whole
from coalmine.integrations.streams import MeasuredStream

FunctionsT = TypeVar("FunctionsT")
_CHATS: Final = ("completion", "acompletion")
_METHODS: Final = (*_CHATS, "embedding", "aembedding", "responses", "aresponses")


def instrument(functions: FunctionsT, *, ask_for_usage: bool = True) -> FunctionsT:
    """Measures completions, responses and embeddings, streamed or not, where `using` says what for.

    The functions are replaced in the module, so import them after this. A wrapper sees what LiteLLM's
    callbacks do not tell, or tell late and from another thread: streams that are closed early, and the
    first token. Retries and fallbacks are one event.

    Args:
        functions: The module `litellm`, or a `litellm.Router`.
        ask_for_usage: Ask for the usage of streamed completions.

    Returns:
        The same.
    """

    def begins(args: tuple[Any, ...], arguments: dict[str, Any]) -> tuple[Call, Take] | None:
        return _begun(args, arguments, asks_usage=False)

    def begins_chat(args: tuple[Any, ...], arguments: dict[str, Any]) -> tuple[Call, Take] | None:
        return _begun(args, arguments, asks_usage=ask_for_usage)

    for name in _METHODS:
        function = getattr(functions, name, None)
        if callable(function):
            wrapper = measured(function, begins_chat if name in _CHATS else begins)
            if inspect.ismodule(functions):  # where `pickle` is to find it, for a pool of processes
                wrapper.__module__, wrapper.__qualname__ = functions.__name__, name
            setattr(functions, name, wrapper)
    return functions


def _begun(args: tuple[Any, ...], arguments: dict[str, Any], *, asks_usage: bool) -> tuple[Call, Take] | None:
    model = str(args[0] if args else arguments.get("model") or "")
    provider, _, name = model.rpartition("/")
    # Several parts name a provider within a provider: `openrouter/openai/gpt-4o`.
    call = begin_call(model=name or None, provider=provider.partition("/")[0] or None)
    if call is None:
        return None
    is_stream = arguments.get("stream") is True
    hides = is_stream and asks_usage and not arguments.get("stream_options")
    if hides:
        arguments["stream_options"] = {"include_usage": True}
    return call, partial(_take_stream, hides_usage=hides) if is_stream else take_whole


class _Said:
    """Takes the place of a call for the provider's own pieces, and keeps the model that they name."""

    first_token_ns = 0

    def __init__(self) -> None:
        self.model: str | None = None

    def record(self, piece: object) -> None:
        model = getattr(piece, "model", None)
        self.model = model if isinstance(model, str) and model else self.model

    def __exit__(self, *_: object) -> None:
        """Ends nothing."""

    abandon = failed = __exit__


class _Stream(MeasuredStream):
    """LiteLLM's pieces name the model that was asked; the one that answered is in the provider's.

    A piece of nothing but usage is kept from a service that did not ask for it, and may look at `choices[0]`.
    """

    def __init__(self, stream: Any, call: Call, *, hides_usage: bool) -> None:  # noqa: ANN401
        super().__init__(stream, call)
        self._hides_usage = hides_usage
        self._said = _Said()
        provided = getattr(stream, "completion_stream", None)
        if provided is not None:
            stream.completion_stream = MeasuredStream(provided, self._said)

    def _is_hidden(self, piece: Any) -> bool:  # noqa: ANN401
        return self._hides_usage and getattr(piece, "choices", None) == []

    def _record(self, piece: Any) -> None:  # noqa: ANN401
        super()._record(piece)
        if self._call is not None and self._said.model is not None:
            self._call.record(response_model=self._said.model)


def _take_stream(call: Call, reply: Any, *, hides_usage: bool) -> Any:  # noqa: ANN401
    if not (hasattr(type(reply), "__next__") or hasattr(type(reply), "__anext__")):
        return take_whole(call, reply)  # no stream, although one was asked for
    return _Stream(reply, call, hides_usage=hides_usage)
