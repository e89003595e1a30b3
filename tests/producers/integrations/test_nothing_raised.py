"""What a measured call may not do to a service, wherever and however it ends."""

import asyncio
import copy
import gc
import json
import threading
from collections.abc import Iterator
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest

from coalmine import Coalmine
from coalmine.integrations import litellm as our_litellm
from coalmine.integrations import using
from coalmine.integrations.calls import begin_call, measured, take_whole
from coalmine.integrations.http_pieces import MeasuredBody
from coalmine.integrations.streams import MeasuredStream
from tests.support.later import later
from tests.support.oracles.produced import requests_of, spooled

if TYPE_CHECKING:
    from langchain_core import language_models
    from openai.types import chat

    from coalmine.integrations import langchain as our_langchain
else:
    language_models, chat = later("langchain_core.language_models"), later("openai.types.chat")
    our_langchain = later("coalmine.integrations.langchain")


@pytest.fixture
def cm(tmp_path: Path) -> Iterator[Coalmine]:
    with Coalmine("support-bot", home=tmp_path) as client:
        yield client


def _for(cm: Coalmine) -> Any:
    return using(partial(cm.call, "support-refund", version="1.2.0"))


def test_a_block_in_a_generator_may_be_left_in_another_context(cm: Coalmine) -> None:
    """As web frameworks do, which take each piece of a reply in some thread of a pool."""

    def pieces() -> Iterator[int]:
        with _for(cm):
            yield 1
            yield 2

    for finish in (list[int], lambda started: started.close()):
        started = pieces()
        assert copy_context().run(next, started) == 1
        thread = threading.Thread(target=copy_context().run, args=(finish, started))
        thread.start()
        thread.join()
        assert copy_context().run(next, started, None) is None


class _Unreadable(dict[str, Any]):
    """Arguments that cannot be looked at."""

    def get(self, *_: object) -> Any:
        raise RuntimeError("no")


def test_what_cannot_be_begun_is_called_all_the_same(cm: Coalmine) -> None:
    def begins(_: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
        call = begin_call(model=arguments["body"].get("model"), provider=None)
        return None if call is None else (call, take_whole)

    async def later(*, body: object) -> object:
        return body

    body = _Unreadable()
    with _for(cm):
        assert measured(lambda *, body: body, begins)(body=body) is body
        assert asyncio.run(measured(later, begins)(body=body)) is body


def test_a_stream_is_copied_as_the_library_lets_it(cm: Coalmine) -> None:
    class Stream:
        pieces: ClassVar = ["a", "b"]

        def __iter__(self) -> Iterator[str]:
            return iter(self.pieces)

    with cm.call("p", version="1") as call:
        copied = copy.deepcopy(MeasuredStream(Stream(), None))
        assert list(copied) == ["a", "b"]
        assert call.model == ""


def test_json_without_end_stays_what_it_is(cm: Coalmine) -> None:
    deep = b'data: {"a":' + b"[" * 200_000 + b"\n\n"
    with cm.call("p", version="1") as call:
        body = MeasuredBody(call, is_stream=True, hides_usage=False)
        assert b"".join(body.passing(iter([deep, b"data: x\n\n"]))) == deep + b"data: x\n\n"
        body = MeasuredBody(call, is_stream=False, hides_usage=False)
        assert b"".join(body.passing(iter([deep[6:]]))) == deep[6:]


@pytest.mark.parametrize("kind", ["stream", "body"])
def test_a_stream_that_is_dropped_waits_for_nothing(tmp_path: Path, kind: str) -> None:
    """Its finalizer may run on the client's own thread, which is the one that makes room."""
    opened, reached = threading.Event(), threading.Event()

    def redact(text: str, _: object) -> str:
        reached.set()
        assert opened.wait(60)
        return text

    cm = Coalmine("bot", home=tmp_path, redact=redact, max_queued_events=10, on_full="wait")
    try:
        cm.feedback("01890a5d-ac96-774b-bcce-b302099a8057", thumbs="up", unit_id="hold")
        assert reached.wait(60)
        with _for(cm):
            calls = [begin_call(model=None, provider=None) for _ in range(2)]
        for _ in range(9):
            with cm.call("p", version="1"):
                pass
        for call in calls:  # the second finds the queue full
            assert call is not None
            dropped = threading.Thread(target=_drop, args=(kind, call))
            dropped.start()
            dropped.join(30)
            assert not dropped.is_alive()
        del call, calls
        assert cm.stats().dropped == {"queue_full": 1}
    finally:
        opened.set()
        assert cm.close(30)
    assert len(requests_of(spooled(tmp_path))) == 10


def _drop(kind: str, call: Any) -> None:
    if kind == "stream":
        MeasuredStream(iter(()), call)
    else:
        response = httpx.Response(200, stream=httpx.ByteStream(json.dumps({}).encode()))
        MeasuredBody.follow(response, call, hides_usage=False)
        del response
    gc.collect()


def test_a_run_of_langchain_that_is_cancelled_is_one_event(cm: Coalmine, tmp_path: Path) -> None:
    """LangChain calls no callback for it. A callback beside that of `instrument` is not another event."""

    class Slow(language_models.BaseChatModel):
        """A model of LangChain's that never answers."""

        started: Any

        @property
        def _llm_type(self) -> str:
            return "slow"

        def _generate(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

        async def _agenerate(self, *_: Any, **__: Any) -> Any:
            self.started.set()
            await asyncio.sleep(3600)

    callbacks: list[Any] = [our_langchain.CoalmineCallback(), our_langchain.CoalmineCallback()]

    async def cancelled() -> None:
        started = asyncio.Event()
        model = Slow(started=started)
        running = asyncio.create_task(model.ainvoke("x", config={"callbacks": callbacks}))
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with _for(cm):
        asyncio.run(cancelled())
    assert cm.flush(30)
    (record,) = requests_of(spooled(tmp_path))
    assert (record["outcome"], record["error_type"]) == ("cancelled", None)


def test_usage_that_a_service_did_not_ask_litellm_for_is_not_shown_to_it(
    cm: Coalmine, tmp_path: Path
) -> None:
    def completion(model: str, *, stream: bool, stream_options: object = None) -> Iterator[Any]:
        assert model
        assert stream
        about = {"id": "x", "created": 1, "model": "gpt-4o", "object": "chat.completion.chunk"}
        choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}
        yield chat.ChatCompletionChunk.model_validate({**about, "choices": [choice]})
        if stream_options:
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            yield chat.ChatCompletionChunk.model_validate({**about, "choices": [], "usage": usage})

    functions = SimpleNamespace(completion=completion)
    our_litellm.instrument(functions)
    with _for(cm):
        pieces = functions.completion("openai/gpt-4o", stream=True)
        assert [each.choices[0].delta.content for each in pieces] == ["a"]
        asked = {"include_usage": True}
        assert len(list(functions.completion("openai/gpt-4o", stream=True, stream_options=asked))) == 2
    assert cm.flush(30)
    assert [each["output_tokens"] for each in requests_of(spooled(tmp_path))] == [2, 2]
