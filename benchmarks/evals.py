"""Evaluations of recorded answers and of a model that takes its time, beside Inspect on the same cases.

* recorded: cases with two recorded answers each are read, and both sides scored by four scorers for the gate;
  `scored_per_s` counts scores, from opening the file on.
* model: every case is put to a model behind an API, 200 ms away, with at most 32 requests under way; answers
  are kept on disk and scored. `share_of_ideal_rate` is the rate beside 32 requests per 200 ms. The limit on
  requests under way begins at 4, as it does for users.

Cases are those of `--recorded`, JSON Lines in the form of grade-school-math's model solutions, by default the
file in `../shared/data` if it is there, else cases that are made up in the same form. Inspect, if it is
installed (`pip install inspect-ai`), scores one side of the same cases with four scorers of its own, and asks
the same API without any limit but 32.

Run alone: `python -m benchmarks.evals [--recorded FILE] [--cases N] [--latency-ms 200] [--concurrency 32]
[--no-peer] [--json]`.
"""

import argparse
import asyncio
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.llm_stub import llm_stub
from coalmine_evals.gate import judge
from coalmine_evals.gate.recorded import read_columns, score_recorded
from coalmine_evals.providers.http import HttpSettings
from coalmine_evals.providers.open import Access, OpenModels
from coalmine_evals.results.datasets import Case
from coalmine_evals.runs.session import Place, Wanted, evaluate
from coalmine_evals.runs.store import RunStore
from coalmine_evals.scorers.registry import scorer_of
from coalmine_evals.storage.open import open_database
from coalmine_evals.suites.cases import SuiteCases
from coalmine_evals.suites.read import suite_of
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompts import PromptContent

RECORDED = Path(__file__).parents[2] / "shared" / "data" / "gsm8k_model_solutions.jsonl.gz"
SIDES = ("175b_verification", "6b_verification")
MADE_UP = 1_319
METRICS: Mapping[str, Mapping[str, Any]] = {
    "right": {"scorer": "numeric_answer", "margin": 0.03},
    "marked": {"scorer": "regex", "settings": {"pattern": r"A: -?[\d,.]+$"}, "margin": 0.03},
    "overlap": {"scorer": "token_overlap", "margin": 0.03},
    "sentences": {"scorer": "sentence_count", "settings": {"minimum": 1, "maximum": 8}, "margin": 0.03},
}
SUITE = suite_of(
    "bench",
    {"prompt": "bench", "dataset": "bench", "dataset_digest": "0" * 64, "metrics": METRICS},
    "bench.yaml",
)
PROMPT = PromptContent.from_json(
    {"template": "{{ input }}", "variables": {"input": {"type": "string"}}, "model": "stub"}
)


def make_up(path: Path, count: int) -> None:
    """Write cases in the form of the recorded ones."""
    rng = random.Random(7)
    with path.open("w", encoding="utf-8") as lines:
        for number in range(count):
            a, b = rng.randrange(2, 900), rng.randrange(2, 900)
            right = f"She has {a} and gets {b}.\nThat is {a} + {b} = <<{a}+{b}={a + b}>>{a + b}.\nA: {a + b}"
            wrong = right.replace(str(a + b), str(a + b + 1))
            row: dict[str, Any] = {"question": f"{number}: what are {a} and {b}?", "ground_truth": right}
            for side, share in zip(SIDES, (0.6, 0.4), strict=True):
                row[side] = {"solution": right if rng.random() < share else wrong}
            lines.write(json.dumps(row) + "\n")


def score_file(path: Path) -> tuple[Sequence[Case], Sequence[str], float]:
    """Read a file and score both of its sides; returns the cases, the first side's answers, the seconds."""
    began = time.perf_counter()
    recorded = read_columns(path, f"{SIDES[0]}.solution", f"{SIDES[1]}.solution")
    found = score_recorded(
        recorded, [(metric, scorer_of(metric.scorer, metric.settings)) for metric in SUITE.metrics]
    )
    taken_s = time.perf_counter() - began
    assert len(found.metrics) == len(METRICS)
    return recorded.cases, [outputs[0].text or "" for outputs in recorded.candidate], taken_s


def ask_all(cases: Sequence[Case], url: str, concurrency: int) -> float:
    """Put every case to the model, keep and score its answers; returns the seconds."""
    with tempfile.TemporaryDirectory(prefix="coalmine-evals-") as home:
        directory = Path(home)
        with closing(open_database(directory / "evals.db")) as database:
            prices = PriceTable()

            async def run() -> None:
                place = Place(
                    store=RunStore(database),
                    cache=directory / "evals-cache.db",
                    models=OpenModels(
                        {"openai": Access(url, None)}, prices, HttpSettings(concurrency=concurrency)
                    ),
                    prices=prices,
                    fetch=lambda _name, _version: PROMPT,
                    judge=judge,
                )
                ended = await evaluate(Wanted(SuiteCases(SUITE, cases), "bench@1.0.0"), place)
                if ended.stopped is not None:
                    raise RuntimeError(f"the run ended early: {ended.stopped}")

            began = time.perf_counter()
            asyncio.run(run())
            return time.perf_counter() - began


def ask_inspect(
    cases: Sequence[Case], answers: Sequence[str], url: str, concurrency: int
) -> Mapping[str, float] | None:
    """The same in Inspect; returns its figures, None if it is not installed."""
    if importlib.util.find_spec("inspect_ai") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="coalmine-evals-") as home:
        file = Path(home) / "cases.json"
        rows = [
            (case.variables["input"], str(case.expected).rpartition("A: ")[2], answer)
            for case, answer in zip(cases, answers, strict=True)
        ]
        file.write_text(json.dumps(rows), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.evals_inspect", str(file), url, str(concurrency)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: Mapping[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and, on request, a last line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evals", description=__doc__.splitlines()[0])
    parser.add_argument("--recorded", type=Path, help="cases with recorded answers, JSON Lines, maybe .gz")
    parser.add_argument("--cases", type=int, help="only the first so many (default: all)")
    parser.add_argument("--latency-ms", type=float, default=200.0, help="of the model (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=32, help="requests (default: %(default)s)")
    parser.add_argument("--no-peer", action="store_true", help="leave Inspect out")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="coalmine-evals-") as directory:
        path = options.recorded or RECORDED
        if options.recorded is None and not path.exists():
            path = Path(directory) / "made-up.jsonl"
            make_up(path, options.cases or MADE_UP)
        cases, answers, scored_s = score_file(path)
    chosen, answers = cases[: options.cases], answers[: options.cases]
    ideal_s = len(chosen) * options.latency_ms / 1000 / options.concurrency
    with llm_stub(options.latency_ms) as url:
        asked_s = ask_all(chosen, url, options.concurrency)
        peer = None if options.no_peer else ask_inspect(chosen, answers, url, options.concurrency)
    scores = 2 * len(cases) * len(METRICS)
    figures: dict[str, float | int | None] = {
        "cases": len(cases),
        "scored_per_s": round(scores / scored_s, 1),
        "share_of_ideal_rate": round(ideal_s / asked_s, 4),
        "inspect_scored_per_s": None if peer is None else round(peer["scores"] / peer["scored_s"], 1),
        "inspect_share_of_ideal_rate": None if peer is None else round(ideal_s / peer["asked_s"], 4),
    }
    print(f"\n{path.name}: {len(cases)} cases with {len(METRICS)} scorers, two sides")
    print(f"{'':<12}{'scores/s':>12}{'share of ideal rate':>22}")
    for name, prefix in (("coalmine", ""), ("Inspect", "inspect_")):
        rate, share = figures[f"{prefix}scored_per_s"], figures[f"{prefix}share_of_ideal_rate"]
        shown = ("-", "-") if rate is None or share is None else (f"{rate:,.0f}", f"{share:.2f}")
        print(f"{name:<12}{shown[0]:>12}{shown[1]:>22}")
    print(f"{len(cases)} cases x {len(METRICS)} scorers on one side: {scored_s / 2:.2f} s")
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
