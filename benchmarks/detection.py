"""How surely and how soon the pipeline rolls back a version that is 5 % worse, and how often an equal one.

A simulated service (users, sessions, feedback and behaviour of the built-in documentation search) gives a
canary to 5 % of its users. In half of the runs the canary's quality is 5 % lower, in the others the same.
Every run goes through the real code: the client's assignment, spool, decoding, store, and looks of `Readouts`
as the experiment grows. What counts is the readout's decision, over all metrics whose harm rolls back; what
the same looks say of quality by itself is shown beside it.

Beside it stands what a notebook would do: a t-test of the same values, repeated at each look.

The yardstick n is the fixed-horizon sample size: requests after which one single t-test, two-sided at 5 %,
finds the same effect in 80 % of cases, given how requests of a user resemble each other. The decision
promises 4 % for all metrics whose harm rolls back together, so its yardstick is a test that promises the same
(Bonferroni); for quality by itself it is the plain one. Nor is a version harmful that is worse by less than
the tolerance, 1 % of quality: what must be told from it is the 4 % beyond, which takes (5/4)^2 times the
requests that 5 % take, whatever the test. The t-test at each look tolerates nothing, so its yardstick has to
find all 5 %. In the n of one-sided tests, 12 and 21 % smaller, the targets would be beyond any such sequence:
with exactly normal data, looked at without end, it finds about 95 % within 3 n.

Run alone: `python -m benchmarks.detection [--runs 200] [--json]`.
"""

import argparse
import json
import multiprocessing
import os
import sys
from dataclasses import asdict

from benchmarks.detection_experiment import Watched
from benchmarks.detection_figures import EFFECT, HORIZON, REQUESTS, Summary, misses, summarise
from benchmarks.detection_runs import Task, tasks, watch
from coalmine_server.cli.output import progress_bar

RUNS = 200
"""Of each kind."""
TOGETHER = 10
"""Runs that share a store."""
PROCESSES = 2


def table(summary: Summary) -> str:
    """The figures for people."""
    heading = ("found", "false alarms", "requests p50", "p90", "canary's p50", "p90", "n", "mean stop")
    lines = [f"{'':<31}" + "".join(f"{text:>13}" for text in heading)]
    for each in (summary.decision, summary.quality, summary.peeking):
        numbers = (each.requests_p50, each.requests_p90, each.canary_p50, each.canary_p90)
        cells = [
            f"{each.detected}/{each.runs}",
            f"{each.false_alarms}/{each.runs}",
            *("-" if number is None else f"{number:,.0f}" for number in numbers),
            f"{each.fixed_horizon_requests:,.0f}",
            f"{each.mean_stop_ratio:.2f} n",
        ]
        lines.append(f"{each.name:<31}" + "".join(f"{text:>13}" for text in cells))
    decision, quality = (
        each.mean_stop_requests / each.one_sided_requests for each in (summary.decision, summary.quality)
    )
    lines += [
        "",
        f"Found: within {HORIZON} n. The decision keeps its promise over {summary.acting_metrics} metrics, "
        "and so does its n.",
        f"In the n of one-sided tests the mean stops are {decision:.2f} and {quality:.2f}. "
        f"Rollbacks that name quality: {summary.blamed_quality}.",
    ]
    return "\n".join(lines)


def run(runs: int, show: bool) -> Summary:
    """Watch all runs, in `PROCESSES` processes."""
    together = max(1, min(TOGETHER, -(-runs // PROCESSES)))
    # Runs with equal versions go on to the end, so they begin first.
    todo: list[Task] = [
        *tasks(range(1_000, 1_000 + runs), 0.0, REQUESTS, together),
        *tasks(range(runs), EFFECT, REQUESTS, together),
    ]
    equal: list[Watched] = []
    worse: list[Watched] = []
    context = multiprocessing.get_context("spawn")
    with (
        progress_bar("experiments", quiet=not show, unit="runs") as advance,
        context.Pool(PROCESSES, speak_aside) as pool,
    ):
        for found in pool.imap_unordered(watch, todo):
            for each in found:
                (equal if each.variances else worse).append(each)
            advance(len(equal) + len(worse), 2 * runs)
    return summarise(worse, equal)


def speak_aside() -> None:
    """Let nothing of this process come between the table and its last line.

    DuckDB takes a process that another one spawned for an interactive one, and draws a bar on standard output
    when a query lasts.
    """
    os.dup2(2, 1)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns 0 if the targets are met."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=RUNS,
        help=f"runs with a worse version, and as many with an equal one ({RUNS})",
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error(f"--runs is {options.runs}: give at least 1")
    summary = run(options.runs, show=True)
    missed = misses(summary)
    print(table(summary))
    for each in missed:
        print(f"missed by the decision: {each}")
    if options.json:
        decision = summary.decision
        figures = {
            "detected": decision.detected,
            "false_alarms": decision.false_alarms,
            "runs": decision.runs,
            "requests_to_detection_p50": decision.requests_p50,
            "requests_to_detection_p90": decision.requests_p90,
            "canary_requests_to_detection_p50": decision.canary_p50,
            "fixed_horizon_requests": decision.fixed_horizon_requests,
            "mean_stop_ratio": decision.mean_stop_ratio,
            "guardrails": summary.acting_metrics,
            "quality_alone": {**asdict(summary.quality), "mean_stop_ratio": summary.quality.mean_stop_ratio},
            "t_test_at_each_look": asdict(summary.peeking),
            "within_targets": not missed,
        }
        print(json.dumps(figures))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
