"""A home with what the demonstration leaves: hours of simulated services, rollouts, decisions, alerts."""

import json
from pathlib import Path
from typing import Any, Final

from tests.support.processes.coalmine_process import coalmine
from tests.support.processes.warm_command import CONSTANTS

_STORY: Final = "coalmine_server.rollout_story"


def fill_demo_home(home: Path, *, calls_per_s: float, step_s: float, seed: int = 0) -> Any:
    """Plays the demonstration in a home, which then is as a demonstration that ended leaves it.

    Args:
        home: Its home, which is made.
        calls_per_s: Simulated calls per simulated second.
        step_s: Simulated seconds between two decisions: what takes its time are these, not the calls.
        seed: Of users and calls.

    Returns:
        The report that the command printed.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    constants = {f"{_STORY}:CALLS_PER_S": calls_per_s, f"{_STORY}:STEP_S": step_s, f"{_STORY}:WAIT_S": 600.0}
    done = coalmine(
        *("demo", "--headless", "--seconds", "1", "--seed", str(seed), "--json"),
        home=home,
        env={CONSTANTS: json.dumps(constants)},
        timeout_s=1_200,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])
