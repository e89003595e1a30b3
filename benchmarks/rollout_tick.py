"""What a tick of the controller costs: processor time with many rollouts, after 5 s of traffic and none.

Every rollout has a prompt of its own, an experiment of 12 and more metrics, and half an hour of requests.
`quiet` ticks find nothing new in the store; before `busy` ones every experiment has had requests.

Run alone: `python -m benchmarks.rollout_tick [--rollouts 50] [--ticks 10] [--json]`.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.plan import template
from tests.support.data.rollout_case import Rig

PER_MINUTE = 12
"""Requests of each prompt."""


def measured(rig: Rig, ticks: int, between: Callable[[], None]) -> list[float]:
    """Milliseconds of processor time of each tick."""
    times = []
    for _ in range(ticks):
        rig.clock.move(seconds=5)
        between()
        started = time.process_time()
        rig.tick()
        times.append(1_000 * (time.process_time() - started))
    return times


def run(rollouts: int, ticks: int, folder: Path) -> dict[str, float]:
    """Median and worst milliseconds of a tick."""
    with Rig(folder) as rig:
        rig.rollouts = Rollouts(rig.registry, most_at_once=rollouts)
        for number in range(rollouts):
            prompt = f"prompt-{number}"
            application = rig.serve("1.0.0", treatment="1.1.0", prompt=prompt)
            application.per_minute = PER_MINUTE
            rig.start(plan=template("canary-standard"), prompt=prompt)
        for _ in range(3):
            rig.clock.move(minutes=10)
            rig.send(timedelta(minutes=10))
            rig.tick()
        quiet = measured(rig, ticks, lambda: None)
        busy = measured(rig, ticks, lambda: rig.send(timedelta(seconds=5)))
    return {
        "rollouts": rollouts,
        "tick_quiet_ms_p50": statistics.median(quiet),
        "tick_quiet_ms_max": max(quiet),
        "tick_busy_ms_p50": statistics.median(busy),
        "tick_busy_ms_max": max(busy),
    }


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rollouts", type=int, default=50)
    parser.add_argument("--ticks", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(given.rollouts, given.ticks, Path(folder))
    if given.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:20} {value:8.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
