"""Runs the benchmarks one after the other: `python -m benchmarks [NAME ...] [--json]`.

Each runs in a process of its own, so one does not see what another left in memory.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

NAMES = (
    "client",
    "prompt",
    "propagation",
    "ingest",
    "visible",
    "queries",
    "pages",
    "readout",
    "commands",
    "detection",
    "rollout",
    "prices",
    "alerts",
    "evals",
    "integrations",
)


def run(name: str) -> tuple[int, dict[str, Any]]:
    """Run one benchmark, passing its output on.

    Returns:
        Its exit status, and the figures of its last line; none when it failed.
    """
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    last = ""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        # One line behind, because the last line is for us.
        for line in process.stdout:
            if last:
                sys.stdout.write(last)
                sys.stdout.flush()
            last = line
    if process.returncode != 0:
        sys.stdout.write(last)
        return process.returncode, {}
    figures: dict[str, Any] = json.loads(last)
    return 0, figures


def main(arguments: list[str] | None = None) -> int:
    """Run the named benchmarks, by default all; returns 0 if each one completed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON, figures by name")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]}; choose from {', '.join(NAMES)}")
    figures: dict[str, dict[str, Any]] = {}
    failed = []
    for name in options.names or NAMES:
        print(f"\n== {name}\n", flush=True)
        status, figures[name] = run(name)
        if status != 0:
            failed.append(name)
    if options.json:
        print(json.dumps(figures))
    for name in failed:
        print(f"benchmark {name} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
