"""A home with what the demonstration leaves: hours of simulated services, rollouts, decisions, alerts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_DEMO = """
import coalmine_server.rollout_story as story
story.CALLS_PER_S = {calls_per_s}
story.STEP_S = {step_s}
story.WAIT_S = 600.0
from coalmine_server.cli import main
main()
"""


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
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _DEMO.format(calls_per_s=calls_per_s, step_s=step_s)]
    done = subprocess.run(
        [*command, "demo", "--headless", "--seconds", "1", "--seed", str(seed), "--json"],
        env={**os.environ, "COALMINE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])
