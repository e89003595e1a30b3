"""The same evaluations in Inspect, beside which ours are measured; its figures are a line of JSON.

Run by `benchmarks.evals` in a process of its own, as `python -m benchmarks.evals_inspect CASES URL
CONCURRENCY`: CASES is a JSON file of `[question, expected, recorded answer]`, URL an API as OpenAI's.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelAPI, ModelOutput, get_model, modelapi
from inspect_ai.scorer import exact, f1, includes, match
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

SCORERS = 4


class Stub(ModelAPI):  # type: ignore[misc]
    """Asks the API of the benchmark, with nothing around it."""

    def __init__(self, model_name: str, base_url: str | None = None, **_: Any) -> None:  # noqa: ANN401
        super().__init__(model_name=model_name, base_url=base_url)
        self.http = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=60)

    async def generate(self, input: list[Any], *_: Any, **__: Any) -> ModelOutput:  # noqa: ANN401
        """One answer."""
        messages = [{"role": each.role, "content": each.text} for each in input]
        body = {"model": self.model_name, "messages": messages}
        reply = (await self.http.post(f"{self.base_url}/chat/completions", json=body)).json()
        return ModelOutput.from_content(self.model_name, reply["choices"][0]["message"]["content"])

    def max_connections(self) -> int:
        """As many as the benchmark says."""
        return int(os.environ["BENCH_CONCURRENCY"])


modelapi(name="bench")(Stub)


@solver  # type: ignore[untyped-decorator]
def recorded() -> Solver:
    """Gives the answers that were recorded."""

    async def solve(state: TaskState, _: Generate) -> TaskState:
        state.output = ModelOutput.from_content("recorded", state.metadata["answer"])
        return state

    return solve


def seconds(task: Task, model: Any, concurrency: int, logs: str) -> float:  # noqa: ANN401
    """How long it takes to run a task."""
    began = time.perf_counter()
    (log,) = evaluate(
        task,
        model=model,
        log_dir=logs,
        display="none",
        max_connections=concurrency,
        max_samples=4 * concurrency,
    )
    if log.status != "success":
        raise RuntimeError(f"Inspect ended as {log.status}: {log.error}")
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print the line of JSON."""
    path, url, concurrency = sys.argv[1:]
    os.environ["BENCH_CONCURRENCY"] = concurrency
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    dataset = MemoryDataset(
        [Sample(input=asked, target=wanted, metadata={"answer": said}) for asked, wanted, said in rows]
    )
    scorers = [match(numeric=True), includes(), f1(), exact()]
    with tempfile.TemporaryDirectory(prefix="coalmine-inspect-") as logs:
        scoring = Task(dataset=dataset, solver=recorded(), scorer=scorers)
        scored_s = seconds(scoring, "mockllm/model", int(concurrency), logs)
        asking = Task(dataset=dataset, solver=generate(cache=False), scorer=scorers)
        asked_s = seconds(asking, get_model("bench/stub", base_url=url), int(concurrency), logs)
    print(json.dumps({"scored_s": scored_s, "asked_s": asked_s, "scores": len(rows) * SCORERS}))


if __name__ == "__main__":
    main()
