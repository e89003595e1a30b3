"""Prompts in sequence: linked events, and a failure that is seen and stops the chain."""

import asyncio
import pickle
from pathlib import Path
from typing import Any

import pytest

from coalmine import Chain, Step, StepFailed, StepRun
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import MissingVariables, PromptContent, UnknownPrompt, Variable
from tests.producers.prompts.conftest import MakeClient
from tests.support.oracles.produced import requests_of, spooled

CONTENTS = {
    "classify": PromptContent(template="classify {{ text }}", variables={"text": Variable()}, model="small"),
    "answer": PromptContent(
        template="{{ topic }}: {{ question }}", variables={"topic": Variable(), "question": Variable()}
    ),
    "polish": PromptContent(template="polish {{ answer }}", variables={"answer": Variable()}),
}
LIBRARY: dict[str, Any] = {
    "environment": "prod",
    "revision": 1,
    "prompts": {name: {"revision": 1, "default": {"version": "1.0.0"}} for name in CONTENTS},
    "contents": {f"{name}@1.0.0": each.to_json() for name, each in CONTENTS.items()},
}
CHAIN = Chain(
    Step("sort", prompt="classify", inputs={"text": "question"}),
    Step("answer", inputs={"question": "question", "topic": "sort.topic"}, model="large"),
    Step("polish"),
)


def ask(run: StepRun) -> object:
    assert run.text == run.messages[0]["content"]
    return {"topic": "refunds"} if run.step.name == "sort" else f"<{run.text}>"


def test_outputs_become_inputs_and_events_are_linked(tmp_path: Path, make_client: MakeClient) -> None:
    cm = make_client(fallback=LIBRARY)
    done = CHAIN.run(cm, ask, {"question": "why?"}, unit_id="u", segments={"tier": "free"}, trace_id="t")
    assert done.output == "<polish <refunds: why?>>"
    assert list(done.outputs) == list(done.request_ids) == ["sort", "answer", "polish"]
    cm.close(30)
    records = requests_of(spooled(tmp_path))
    assert [record["prompt"] for record in records] == ["classify", "answer", "polish"]
    assert [record["request_model"] for record in records] == ["small", "large", "unknown"]
    ids = list(done.request_ids.values())
    assert [record["request_id"] for record in records] == ids
    assert [record["parent_request_id"] for record in records] == [None, *ids[:-1]]
    assert {(record["trace_id"], record["unit_id"]) for record in records} == {("t", "u")}
    assert [record["segments"] for record in records] == [{"tier": "free", "input_length": "<500"}] * 3


def test_a_step_that_fails_is_named_measured_and_the_last(tmp_path: Path, make_client: MakeClient) -> None:
    cm = make_client(fallback=LIBRARY)

    def failing(run: StepRun) -> object:
        if run.step.name == "answer":
            raise TimeoutError("no answer")
        return ask(run)

    with pytest.raises(StepFailed, match=r"step answer \(prompt answer\) failed: TimeoutError: no") as caught:
        CHAIN.run(cm, failing, {"question": "why?"})
    assert isinstance(caught.value.__cause__, TimeoutError)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), vars(copy)) == (str(caught.value), vars(caught.value))
    cm.close(30)
    first, second = requests_of(spooled(tmp_path))
    assert (first["error_type"], second["error_type"]) == (None, "TimeoutError")
    assert second["request_id"] == caught.value.request_id
    assert second["trace_id"] == caught.value.trace_id == first["trace_id"]


@pytest.mark.parametrize(
    ("chain", "step", "cause"),
    [
        (Chain(Step("sort", prompt="clasify", inputs={})), "sort", UnknownPrompt),
        (Chain(Step("classify", inputs={"txt": "question"})), "classify", MissingVariables),
        (
            Chain(
                Step("sort", "classify", {"text": "question"}),
                Step("classify", inputs={"text": "sort.theme"}),
            ),
            "classify",
            InvalidParameter,
        ),
    ],
)
def test_a_mistake_in_a_chain_is_told_with_its_step(
    chain: Chain, step: str, cause: type[Exception], make_client: MakeClient
) -> None:
    with pytest.raises(StepFailed) as caught:
        chain.run(make_client(fallback=LIBRARY), ask, {"question": "why?"})
    assert caught.value.step == step
    assert isinstance(caught.value.__cause__, cause)


def test_values_that_are_missing_are_named_before_anything_runs(make_client: MakeClient) -> None:
    def never(run: StepRun) -> object:
        raise AssertionError(run.step.name)

    with pytest.raises(MissingVariables, match="question"):
        CHAIN.run(make_client(fallback=LIBRARY), never, {})


def test_a_chain_can_be_awaited(tmp_path: Path, make_client: MakeClient) -> None:
    cm = make_client(fallback=LIBRARY)

    async def ask_async(run: StepRun) -> object:
        await asyncio.sleep(0)
        if run.variables.get("question") == "fail":
            raise ValueError("no")
        return ask(run)

    async def both() -> tuple[str, str]:
        done = await CHAIN.run_async(cm, ask_async, {"question": "why?"})
        with pytest.raises(StepFailed) as caught:
            await CHAIN.run_async(cm, ask_async, {"question": "fail"})
        return done.output, caught.value.step

    assert asyncio.run(both()) == ("<polish <refunds: why?>>", "answer")
    cm.close(30)
    assert len(requests_of(spooled(tmp_path))) == 5


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((), "at least one"),
        ((Step("a"), Step("a")), "a name of its own"),
        ((Step("a", inputs={"x": "b"}), Step("b")), "takes x from b"),
        ((Step("a", inputs={"x": "a.y"}),), "takes x from a"),
    ],
)
def test_a_chain_that_cannot_run_is_refused(steps: tuple[Step, ...], says: str) -> None:
    with pytest.raises(InvalidParameter, match=says):
        Chain(*steps)
