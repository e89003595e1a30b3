"""Measures the models that LangChain calls: `instrument()`, once."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import Any, ClassVar, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler  # type: ignore[import-not-found, unused-ignore]
from langchain_core.tracers.context import (  # type: ignore[import-not-found, unused-ignore]
    register_configure_hook,
)

from coalmine.call import Call
from coalmine.integrations.calls import begin_call, end_call

_WhenDone = Callable[[asyncio.Task[Any]], None]
_MOST_OPEN: Final = 10_000
"""Runs that are followed at a time: a run that ends in silence is followed until its task ends."""


class CoalmineCallback(BaseCallbackHandler):  # type: ignore[misc, unused-ignore]
    """Makes an event of each call to a chat model, or other model, within a block of `using`.

    `instrument` adds one to every run; `config={"callbacks": [CoalmineCallback()]}` adds one to a single run.
    Not embeddings, which have no callbacks. Where the provider's client is instrumented, too, its calls are
    counted twice.
    """

    run_inline = True
    """Not in another thread, whose clock would be late and which does not know of `using`."""

    _calls: ClassVar[dict[UUID, tuple[Call, asyncio.Task[Any] | None, _WhenDone]]] = {}
    """Of all callbacks: a run that has two is one event."""

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **about: Any) -> None:  # noqa: ANN401, D102
        if run_id in self._calls:
            return
        parameters, metadata = about.get("invocation_params") or {}, about.get("metadata") or {}
        model = metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name")
        call = begin_call(model=model, provider=metadata.get("ls_provider"))
        if call is None:
            return
        if len(self._calls) >= _MOST_OPEN:
            self._ended(next(iter(self._calls), run_id), GeneratorExit())
        # LangChain says nothing of a run that is cancelled.
        task = _task()
        self._calls[run_id] = call, task, lambda _: self._ended(run_id, GeneratorExit())
        if task is not None:
            task.add_done_callback(self._calls[run_id][2])

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **about: Any) -> None:  # noqa: ANN401, D102
        self.on_llm_start(serialized, messages, run_id=run_id, **about)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, chunk: Any = None, **_: Any) -> None:  # noqa: ANN401, D102
        call = self._calls.get(run_id, (None,))[0]
        if call is not None and (token or getattr(getattr(chunk, "message", None), "tool_call_chunks", None)):
            call.first_token()

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:  # noqa: ANN401, D102
        self._ended(run_id, None, response)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ANN401, D102
        self._ended(run_id, error)

    def _ended(self, run_id: UUID, error: BaseException | None, response: Any = None) -> None:  # noqa: ANN401
        call, task, when_done = self._calls.pop(run_id, (None, None, None))
        if call is None:
            return
        if task is not None and when_done is not None:
            task.remove_done_callback(when_done)
        generations = getattr(response, "generations", None) or [[]]
        for generation in generations[0][:1]:
            call.record(getattr(generation, "message", None) or response)
        end_call(call, error)


def _task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop
        return None


_ALWAYS: Final = CoalmineCallback()
_CALLBACK: Final[ContextVar[Any]] = ContextVar("coalmine_langchain", default=_ALWAYS)


@cache  # each hook costs every run, and LangChain removes none
def instrument() -> None:
    """Measures every model that LangChain calls from now on, where `using` says what for."""
    register_configure_hook(_CALLBACK, inheritable=True)
