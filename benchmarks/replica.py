"""What a replica of answers takes off the server: ingest without viewers, and with some on one or the other.

A store is filled as in `benchmarks.pages`. Viewers are sessions of two dashboards: one asks the server, one a
replica (`coalmine serve answers`), which renews its snapshot all the time. Everything shares one machine, so
the replica's own work counts against ingest, too.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.pages import ROUNDS, VIEWERS, Server, fill_home, ingest_rate
from benchmarks.pages_viewers import watching
from benchmarks.server import environment, serving
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.processes.dashboard_process import dashboard_process, link_of

ROWS = 1_000_000
RENEWALS = 5


def snapshot_s(url: str, token: str) -> list[float]:
    """How long the server takes to make a snapshot, each after a change."""
    headers = {"Authorization": f"Bearer {token}"}
    times = []
    with httpx2.Client(base_url=url, headers=headers, timeout=600, trust_env=False) as web:
        for _ in range(RENEWALS):
            began = time.perf_counter()
            web.post("/v1/snapshots", json={}).raise_for_status()
            times.append(time.perf_counter() - began)
    return times


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and, on request, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replica",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="requests in the store (default: %(default)s)")
    parser.add_argument("--viewers", type=int, default=VIEWERS, help="at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    rates: dict[str, list[float]] = {"alone": [], "on_server": [], "on_replica": []}
    ages_s: list[float] = []
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coalmine-replica-"))) / "home"
        home.mkdir()
        fill_home(home, options.rows)
        process, url, token = stack.enter_context(serving(home, environment(home)))
        server = Server(url, token, process.pid)
        server.settle()
        made_s = snapshot_s(url, token)
        for number in range(options.rounds):
            rates["alone"].append(ingest_rate(home, server))
            with dashboard_process(home) as pages, watching(link_of(pages, home), options.viewers):
                rates["on_server"].append(ingest_rate(home, server))
            with ServerProcess(home, name="replica", part="answers") as replica:
                replica.wait_ready()
                asks = {"COALMINE_DASHBOARD_ANSWERS_URL": replica.url}
                with dashboard_process(home, asks) as pages, watching(link_of(pages, home), options.viewers):
                    rates["on_replica"].append(ingest_rate(home, server))
                    ages_s.append(float(replica.get("/v1/facets").headers["age"]))
            shown = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items())
            print(f"round {number + 1}: {shown} events/s", file=sys.stderr, flush=True)
    figures: dict[str, Any] = {
        f"ingest_events_per_s_{name}": round(statistics.median(values)) for name, values in rates.items()
    }
    figures["snapshot_s_p50"] = round(statistics.median(made_s), 3)
    figures["answers_age_s_max"] = max(ages_s)
    for name, value in figures.items():
        print(f"{name:<34}{value}")
    if options.json:
        print(json.dumps({"rows": options.rows, "viewers": options.viewers, **figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
