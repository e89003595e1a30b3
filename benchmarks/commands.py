"""Processor time of commands, beside Python that does nothing and another tool's `--help`.

A command's time is the user and system time of its process, which another program on the machine changes far
less than it changes the clock's. The commands take turns, after one turn that is not counted; the median is
shown.

* help: `coalmine --help`;
* versions, remote: `coalmine versions`, which asks a `coalmine serve` of the same home;
* versions, local: the same without a server, so the command opens the store itself.

Beside them `streamlit --help` and, with `--peer`, which installs it, `mlflow --help`.

Run alone: `python -m benchmarks.commands [--runs 9] [--warm-up 1] [--peer] [--json]`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.mlflow_venv import mlflow_python
from benchmarks.server import GIVE_UP_S, coalmine, environment, serving
from coalmine import Coalmine

PROMPT = "bench"
EVENTS = 20


@dataclass(slots=True)
class Command:
    """A command and what its runs took."""

    name: str
    key: str
    """Its name in the line of JSON."""
    line: Sequence[str]
    env: dict[str, str]
    cpu_s: list[float] = field(default_factory=list)

    def run(self) -> float:
        """Run it once; returns the seconds of processor time, user and system, of it and its children.

        Raises:
            RuntimeError: It failed.
        """
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                self.line, env=self.env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                said.seek(0)
                raise RuntimeError(f"{self.name} failed:\n{said.read().decode(errors='replace')}")
        return used.ru_utime + used.ru_stime


def measure(commands: Sequence[Command], runs: int, warm_up: int) -> None:
    """Let the commands take turns, `runs` times each after some turns to warm up."""
    for turn in range(-warm_up, runs):
        for command in commands:
            cpu_s = command.run()
            if turn >= 0:
                command.cpu_s.append(cpu_s)


def emit(home: Path) -> None:
    """Some calls by way of the spool of this home."""
    with Coalmine("bench", home=home) as client:
        for number in range(EVENTS):
            with client.call(PROMPT, version="1.0.0", model="gpt-4o-mini", unit_id=f"user-{number}") as call:
                call.record(input_tokens=900, output_tokens=150)


def wait_until_shown(command: Command) -> None:
    """Wait until `coalmine versions` shows all events.

    Raises:
        RuntimeError: It does not.
    """
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        done = subprocess.run([*command.line, "--json"], env=command.env, stdout=subprocess.PIPE, check=True)
        if sum(row["requests"] for row in json.loads(done.stdout)) == EVENTS:
            return
        time.sleep(0.2)
    raise RuntimeError("the events never became visible")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and, on request, a last line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.commands", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--runs", type=int, default=9, help="runs of each command (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=1, help="runs before (default: %(default)s)")
    parser.add_argument("--peer", action="store_true", help="measure MLflow beside it; installs it")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="coalmine-commands-") as directory:
        local, remote = (Path(directory) / name for name in ("local", "remote"))
        for home in (local, remote):
            home.mkdir()
        env, remote_env = environment(local), environment(remote)
        versions = coalmine("versions")
        commands = [
            Command("python -c pass", "python_cpu_s", [sys.executable, "-c", "pass"], env),
            Command("coalmine --help", "help_cpu_s", coalmine("--help"), env),
            Command("coalmine versions, remote", "versions_remote_cpu_s", versions, remote_env),
            Command("coalmine versions, local", "versions_local_cpu_s", versions, env),
            Command(
                "streamlit --help", "streamlit_help_cpu_s", [sys.executable, "-m", "streamlit", "--help"], env
            ),
        ]
        if options.peer:
            mlflow = [str(mlflow_python(Path(directory))), "-m", "mlflow", "--help"]
            commands.append(Command("mlflow --help", "mlflow_help_cpu_s", mlflow, env))
        emit(local)
        with serving(remote, remote_env):
            emit(remote)
            for command in commands[2:4]:
                wait_until_shown(command)
            measure(commands, options.runs, options.warm_up)
    print(f"\nProcessor time of commands, median of {options.runs} runs")
    print(f"{'':<28}{'median ms':>11}{'least ms':>11}")
    for command in commands:
        median, least = statistics.median(command.cpu_s), min(command.cpu_s)
        print(f"{command.name:<28}{median * 1000:>11.0f}{least * 1000:>11.0f}")
    if options.json:
        print(json.dumps({command.key: round(statistics.median(command.cpu_s), 4) for command in commands}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
