"""A home with what the demonstration leaves: hours of simulated services, rollouts, decisions, alerts."""

import os
import subprocess
import sys
from pathlib import Path

_DEMO = """
import coalmine_server.rollout_story as story
story.CALLS_PER_S = {calls_per_s}
story.WAIT_S = 600.0
from coalmine_server.cli import main
main()
"""


def demo_command(calls_per_s: float) -> list[str]:
    """The command `coalmine`, whose demonstration has this many simulated calls per simulated second."""
    return [sys.executable, "-c", _DEMO.format(calls_per_s=calls_per_s)]


def fill_demo_home(home: Path, *, calls_per_s: float, seed: int = 0) -> None:
    """Plays the demonstration in a home, which then is as a demonstration that ended leaves it."""
    home.mkdir(parents=True, exist_ok=True)
    log = home.with_suffix(".log")
    with log.open("wb") as out:
        done = subprocess.run(
            [*demo_command(calls_per_s), "demo", "--headless", "--seconds", "1", "--seed", str(seed)],
            env={**os.environ, "COALMINE_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            timeout=1_200,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(log.read_text(encoding="utf-8"))
