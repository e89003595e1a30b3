"""How truly and how soon rollouts decide, over seeded rollouts of equal, worse and late-harm versions.

Everything goes through the real registry, store and controller on a simulated clock: services ask the
registry's snapshot, what they send is stored, the controller decides every minute and later every five. The
plan is `canary-standard` (10 % for two hours, half until it is decided, then all but 5 %), with all
guardrails and limits on, and a bake of two hours instead of a day, so that it ends in a benchmark's time.

Beside it, with 40 real clients of a real server of which one has just lost its connection: the time from the
command to go back until the last client serves the old version again.

Run alone: `python -m benchmarks.rollout [--runs 100] [--json]`. The whole takes hours of a core; a limit of
5 % false rollbacks says something from about 100 runs on.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.stats import beta

from benchmarks.detection import speak_aside
from benchmarks.rollout_effective import effective_s
from benchmarks.rollout_runs import Ended, Kind, Task, watch
from coalmine_analytics.calibration.end_to_end.service import Change, dearer
from coalmine_rollouts.plan import read_plan

RUNS: Final = 100
"""Of each kind."""
TOGETHER: Final = 20
"""Rollouts that share a store."""
PACES: Final = (1.0, 10.0, 100.0)
"""Requests a second; the faster ones with a hundredth of the runs for each factor of ten."""
PLAN: Final = read_plan({"rollout": "canary-standard", "bake": {"time": "2h", "holdback": "5%"}})
LONGEST: Final = timedelta(days=3)
CLIENTS, COMMANDS = 40, 20

EQUAL: Final = Kind("equal")
LATE: Final = Kind("late_harm", Change(quality=0.9), from_bake=True)
WORSE: Final = (
    Kind("quality -5 %", Change(quality=0.95)),
    Kind("quality -8 %", Change(quality=0.92)),
    Kind("cost +20 %", dearer(1.2)),
    Kind("errors 1 to 3 %", Change(errors=0.02)),
    Kind("90 % schema-invalid", invalid=0.9),
)


def done(task: Task) -> tuple[Task, list[Ended]]:
    """Watches the rollouts of a task to their end."""
    with tempfile.TemporaryDirectory() as folder:
        return task, watch(task, Path(folder))


def tasks(runs: int, paces: Sequence[float]) -> Iterator[Task]:
    """Every rollout, the longest first."""
    for pace in sorted(paces, reverse=True):
        yield from _shared(EQUAL, max(round(runs / pace), 1), pace)
    for kind in (LATE, *WORSE):
        yield from _shared(kind, runs, 1.0)


def _shared(kind: Kind, runs: int, per_s: float) -> Iterator[Task]:
    together = max(int(TOGETHER / per_s), 1)
    for first in range(0, runs, together):
        count = min(together, runs - first)
        yield Task(kind=kind, runs=count, per_s=per_s, plan=PLAN, seed=1_000 + first, longest=LONGEST)


def figures(found: Sequence[tuple[Task, list[Ended]]]) -> dict[str, Any]:
    """The figures, as the last line has them."""

    def of(name: str, per_s: float | None = None) -> list[Ended]:
        return [
            each
            for task, ended in found
            for each in ended
            if each.kind == name and per_s in (None, task.per_s)
        ]

    equal = of(EQUAL.name)
    false = sum(each.state == "rolled_back" for each in equal)
    worse = [each for kind in WORSE for each in of(kind.name)]
    back = [each for each in worse if each.state == "rolled_back"]
    units = np.array([each.treated_units for each in back], np.float64)
    paces = sorted({task.per_s for task, _ in found})
    return {
        "equal_runs": len(equal),
        "false_rollbacks": false,
        "false_rollbacks_upper_95": _upper(false, len(equal)),
        "completed_equal": sum(each.state == "completed" for each in equal),
        "days_to_complete_p50": {
            f"{pace:g} per s": _quantile(
                [each.hours / 24 for each in of(EQUAL.name, pace) if each.state == "completed"], 0.5
            )
            for pace in paces
        },
        "detected": {
            kind.name: {
                "runs": len(of(kind.name)),
                "rolled_back": _back(of(kind.name)),
                **_soon(of(kind.name)),
            }
            for kind in (*WORSE, LATE)
        },
        "treated_units_to_rollback_p50": _quantile(units, 0.5),
        "treated_units_to_rollback_p95": _quantile(units, 0.95),
        "share_of_users_exposed_p50": _quantile(
            [each.treated_units / max(each.units, 1) for each in back], 0.5
        ),
        "slowest_tick_cpu_s": max(each.slowest_tick_s for _, ended in found for each in ended),
    }


def _back(ended: Sequence[Ended]) -> int:
    return sum(each.state == "rolled_back" for each in ended)


def _soon(ended: Sequence[Ended]) -> dict[str, float | None]:
    back = [each for each in ended if each.state == "rolled_back"]
    return {
        "hours_p50": _quantile([each.hours for each in back], 0.5),
        "treated_requests_p50": _quantile([each.treated_requests for each in back], 0.5),
        "treated_units_p95": _quantile([each.treated_units for each in back], 0.95),
    }


def _quantile(values: Any, q: float) -> float | None:  # noqa: ANN401 - numbers
    return round(float(np.quantile(values, q)), 4) if len(values) else None


def _upper(count: int, runs: int) -> float:
    """Upper end of the one-sided 95 % interval (Clopper-Pearson)."""
    return round(float(beta.ppf(0.95, count + 1, runs - count)), 4) if count < runs else 1.0


def main(arguments: list[str] | None = None) -> int:
    """Watches, prints the table and, if asked, a last line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rollout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="rollouts of each kind (default: %(default)s)")
    parser.add_argument("--paces", default="1,10,100", help="requests a second (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="at once (default: %(default)s)")
    parser.add_argument(
        "--commands", type=int, default=COMMANDS, help="commands to go back (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    paces = [float(each) for each in options.paces.split(",")]
    wanted = list(tasks(options.runs, paces))
    found = []
    with multiprocessing.get_context("spawn").Pool(options.processes, speak_aside) as pool:
        for number, each in enumerate(pool.imap_unordered(done, wanted), 1):
            found.append(each)
            states = ", ".join(sorted({ended.state for ended in each[1]}))
            print(
                f"{number} of {len(wanted)}: {each[0].runs} x {each[0].kind.name}: {states}", file=sys.stderr
            )
    result = figures(found)
    for name, value in result.items():
        print(f"{name:<34}{value}", flush=True)  # at once: hours were spent on it
    times = effective_s(CLIENTS, options.commands)
    for name, q in (("commanded_to_effective_s_p50", 0.5), ("commanded_to_effective_s_p99", 0.99)):
        result[name] = _quantile(times, q)
        print(f"{name:<34}{result[name]}")
    if options.json:
        print(json.dumps({**result, "rows": [asdict(row) for _, ended in found for row in ended]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
