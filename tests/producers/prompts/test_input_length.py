"""The segment `input_length`: how much the user's input says, whatever a version makes of it."""

import asyncio
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from tests.producers.prompts.conftest import MakeClient
from tests.support.data.prompt_examples import experiment_json
from tests.support.oracles.produced import requests_of, spooled

LONG = "x" * 50_000


@pytest.fixture
def cm(make_client: MakeClient) -> Coalmine:
    return make_client(fallback=experiment_json())


def sent(cm: Coalmine, folder: Path) -> list[str | None]:
    cm.close(30)
    return [each["segments"].get("input_length") for each in requests_of(spooled(folder))]


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        ("", "<500"),
        ("x" * 499, "<500"),
        ("x" * 500, "500-2k"),
        ("x" * 2_000, "2k-8k"),
        ("x" * 8_000, "8k+"),
        (LONG, "8k+"),
    ],
)
@pytest.mark.parametrize("render", ["render", "messages"])
def test_the_length_of_the_values_makes_the_bucket(
    cm: Coalmine, tmp_path: Path, value: str, bucket: str, render: str
) -> None:
    prompt = cm.prompt("support-refund", "u")
    with prompt.call():
        getattr(prompt, render)(question=value)
    assert sent(cm, tmp_path) == [bucket]


def test_every_version_is_in_the_same_bucket(make_client: MakeClient, tmp_path: Path) -> None:
    long = experiment_json()
    long["contents"]["support-refund@1.1.0"]["template"] = f"{'Be kind. ' * 1_000}{{{{ question }}}}"
    cm = make_client(fallback=long)
    for version in ("1.0.0", "1.1.0"):
        prompt = cm.prompt("support-refund", "u", version=version)
        with prompt.call():
            prompt.render(question="why?", documents=["x" * 300, {"more": ("x" * 300,)}])
    assert sent(cm, tmp_path) == ["500-2k", "500-2k"]


def test_what_was_not_rendered_has_none_and_what_a_service_says_stands(cm: Coalmine, tmp_path: Path) -> None:
    one, other = cm.prompt("support-refund", "u"), cm.prompt("support-refund", "u")
    one.render(question="x")
    with other.call():
        pass
    with cm.call("support-refund", version="1.0.0"):
        pass
    own = cm.prompt("support-refund", "u", segments={"input_length": "short"})
    with own.call():
        own.render(question=LONG)
    full = cm.prompt("support-refund", "u", segments={f"s{number}": "x" for number in range(100)})
    with full.call():
        full.render(question="x")
    assert sent(cm, tmp_path) == [None, None, "short", None]


def test_a_shared_prompt_keeps_tasks_and_threads_apart(cm: Coalmine, tmp_path: Path) -> None:
    prompt = cm.prompt("support-refund", "u")

    def thread(value: str) -> None:
        with prompt.call():
            prompt.render(question=value)

    async def task(value: str, both: asyncio.Barrier) -> None:
        async with prompt.call():
            prompt.render(question=value)
            await both.wait()

    async def tasks() -> None:
        both = asyncio.Barrier(2)
        await asyncio.gather(task("x", both), task(LONG, both))

    asyncio.run(tasks())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(thread, ["x", LONG] * 5))
    assert sorted(map(str, sent(cm, tmp_path))) == ["8k+"] * 6 + ["<500"] * 6


class _Odd(dict[str, Any]):
    def values(self) -> Any:
        raise RuntimeError("no")


def _deep() -> object:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("odd", "bucket"),
    [
        (lambda: _Odd(a=1), None),
        (_deep, "8k+"),
        (lambda: [LONG] * 1_000_000, "8k+"),
        (object, "<500"),
    ],
)
def test_odd_values_cost_neither_the_request_nor_time(
    cm: Coalmine, tmp_path: Path, odd: Callable[[], object], bucket: str | None
) -> None:
    prompt, value = cm.prompt("support-refund", "u"), odd()
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with prompt.call():
        for _ in range(100):
            prompt.render(question="x", unknown=value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - began < 10
    assert sent(cm, tmp_path) == [bucket]
