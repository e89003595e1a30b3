"""How long from an event's emission until the HTTP API shows it, through a real Kafka broker.

A producer process emits calls of the full schema through the client at a steady rate; `coalmine serve` runs
in a process of its own, with everything on; this process asks `/v1/versions` over and over, as a dashboard
would.

The k-th event counts as visible when an answer arrived that shows at least k events. Beside that, markers
(single events of a version of their own, five a second) are timed one by one, whatever the order of events.

Run alone: `python -m benchmarks.visible [--seconds 30] [--rate 5000] [--json]`.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from benchmarks.server import GIVE_UP_S, environment, serving
from coalmine import Coalmine
from tests.support.servers.kafka_broker import KafkaBroker

PROMPT, MARKER, WARM_UP = "visible", "visible-marker", "visible-warm-up"
TICK_S = 0.01
MARKER_EVERY_TICKS = 20
POLL_EVERY_S = 0.1
"""A hurried dashboard. Every second look asks for the markers, too."""
WARM_UP_S = 8.0
"""Emitted at the same rate before anything is measured: a broker just started is still compiling."""
TARGET_S = 2.0
"""What the p99 may be at most at 5,000 events/s."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured."""

    visible_s_p50: float
    visible_s_p99: float
    marker_s_p50: float
    marker_s_p99: float
    events_per_s: float
    events: int
    polls: int
    server_peak_rss_mb: float


@dataclass(frozen=True, slots=True)
class Load:
    """What to emit, and where."""

    bootstrap_servers: str
    prefix: str
    spool: Path
    rate: int
    seconds: float


def emit(connection: Any, load: Load) -> None:  # noqa: ANN401
    """Emits calls at a steady rate; sends back when each was emitted, by kind. Runs in its own process."""
    client = Coalmine(
        "bench",
        spool_dir=load.spool,
        kafka_bootstrap_servers=load.bootstrap_servers,
        topic_prefix=load.prefix,
        on_full="wait",
    )
    emitted: list[float] = []
    markers: list[float] = []
    warm_up_until = time.perf_counter() + WARM_UP_S
    number = 0
    while time.perf_counter() < warm_up_until:
        _call(client, WARM_UP, "1.0.0", number)
        number += 1
        time.sleep(max(0.0, number / load.rate - (WARM_UP_S - (warm_up_until - time.perf_counter()))))
    client.flush(60)
    connection.send(number)
    connection.recv()
    began = time.perf_counter()
    for tick in range(round(load.seconds / TICK_S)):
        due = began + tick * TICK_S
        time.sleep(max(0.0, due - time.perf_counter()))
        if tick % MARKER_EVERY_TICKS == 0:
            markers.append(time.time())
            _call(client, MARKER, f"1.0.{tick // MARKER_EVERY_TICKS}", tick)
        for number in range(round(load.rate * (tick + 1) * TICK_S) - len(emitted) - len(markers)):
            emitted.append(time.time())
            _call(client, PROMPT, "1.0.0", tick * 1000 + number)
    flushed = client.flush(30)
    stats = client.stats()
    connection.send((emitted, markers, time.perf_counter() - began, flushed, stats.delivered))
    client.close()


def _call(client: Coalmine, prompt: str, version: str, number: int) -> None:
    with client.call(
        prompt,
        version=version,
        model="gpt-4o-mini",
        provider="openai",
        unit_id=f"user-{number % 5000}",
        session_id=f"session-{number % 20000}",
        segments={"tier": "enterprise" if number % 7 == 0 else "free", "language": "en"},
        experiment="refund-1.4",
        allocation_epoch=1,
        variant="treatment" if number % 2 else "control",
    ) as call:
        call.record(
            input_tokens=900 + number % 300,
            cached_input_tokens=number % 100,
            output_tokens=150 + number % 90,
            finish_reason="stop",
            response_model="gpt-4o-mini-2024-07-18",
        )
        call.metric("quality", 0.8)


class Watcher:
    """Asks the API over and over and keeps what it showed when."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        self.shown: list[tuple[float, int]] = []
        self.markers: dict[str, float] = {}
        self.polls = 0

    def look(self) -> int:
        """One look: how many events are shown now."""
        self.polls += 1
        count = self.count(PROMPT)
        self.shown.append((time.time(), count))
        if self.polls % 2:
            facets = self._client.get("/v1/facets").raise_for_status().json()
            now = time.time()
            for version in facets["versions"].get(MARKER, []):
                self.markers.setdefault(version, now)
        return count

    def count(self, prompt: str) -> int:
        """Requests of a prompt that are shown."""
        answer = self._client.get("/v1/versions", params={"prompt": prompt, "since": "1h"})
        items = answer.raise_for_status().json()["items"]
        return sum(item["requests"] for item in items)


def measure(broker: KafkaBroker, *, rate: int, seconds: float) -> Result:
    """Runs producer, server and watcher."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    with tempfile.TemporaryDirectory(prefix="coalmine-visible-") as directory:
        home = Path(directory)
        env = environment(
            home,
            kafka_bootstrap_servers=broker.bootstrap_servers,
            kafka_topic_prefix=prefix,
            kafka_group_id=prefix,
        )
        with serving(home, env) as (process, url, token):
            ours, theirs = multiprocessing.get_context("spawn").Pipe()
            arguments = (theirs, Load(broker.bootstrap_servers, prefix, home / "producer", rate, seconds))
            producer = multiprocessing.get_context("spawn").Process(target=emit, args=arguments)
            producer.start()
            try:
                return _watch(ours, Watcher(url, token), process.pid)
            finally:
                producer.join(30)
                producer.kill()


def _watch(producer: Any, watcher: Watcher, server_pid: int) -> Result:  # noqa: ANN401
    warm_up = producer.recv()
    deadline = time.monotonic() + GIVE_UP_S
    while watcher.count(WARM_UP) < warm_up:
        if time.monotonic() > deadline:
            raise RuntimeError("the events of the warm-up never became visible")
        time.sleep(POLL_EVERY_S)
    producer.send("go")
    while not producer.poll():
        watcher.look()
        time.sleep(POLL_EVERY_S)
    emitted, markers, took_s, flushed, delivered = producer.recv()
    if not flushed or delivered != warm_up + len(emitted) + len(markers):
        raise RuntimeError(f"Kafka took {delivered} of {warm_up + len(emitted) + len(markers)} events")
    deadline = time.monotonic() + GIVE_UP_S
    while watcher.look() < len(emitted) or len(watcher.markers) < len(markers):
        if time.monotonic() > deadline:
            raise RuntimeError("not everything became visible")
        time.sleep(POLL_EVERY_S)
    if watcher.look() != len(emitted):
        raise RuntimeError("more is visible than was emitted")
    seen_at, counts = np.array(watcher.shown).T
    # The first look that showed at least k events.
    visible = seen_at[np.searchsorted(counts, np.arange(1, len(emitted) + 1))] - np.array(emitted)
    marked = np.array([watcher.markers[f"1.0.{number}"] - at for number, at in enumerate(markers)])
    return Result(
        visible_s_p50=float(np.quantile(visible, 0.5)),
        visible_s_p99=float(np.quantile(visible, 0.99)),
        marker_s_p50=float(np.quantile(marked, 0.5)),
        marker_s_p99=float(np.quantile(marked, 0.99)),
        events_per_s=(len(emitted) + len(markers)) / took_s,
        events=len(emitted) + len(markers),
        polls=watcher.polls,
        server_peak_rss_mb=_peak_rss_mb(server_pid),
    )


def _peak_rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visible", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to emit (%(default)s)")
    parser.add_argument("--rate", type=int, default=5000, help="events per second (%(default)s)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    with KafkaBroker(owned=False) as broker:
        result = measure(broker, rate=arguments.rate, seconds=arguments.seconds)
    met = result.visible_s_p99 <= TARGET_S
    print(
        f"emit to visible over HTTP, {result.events:,} events at {result.events_per_s:,.0f}/s through Kafka"
    )
    print(f"{'':14}{'p50':>9}{'p99':>9}")
    print(f"{'all events':14}{result.visible_s_p50:>8.3f}s{result.visible_s_p99:>8.3f}s")
    print(f"{'markers':14}{result.marker_s_p50:>8.3f}s{result.marker_s_p99:>8.3f}s")
    print(f"target: p99 of all events at most {TARGET_S} s: {'met' if met else 'MISSED'}")
    print(f"server: peak memory {result.server_peak_rss_mb:.0f} MB; {result.polls} looks")
    if arguments.json:
        names = ("visible_s_p50", "visible_s_p99", "events_per_s", "events", "marker_s_p50", "marker_s_p99")
        print(json.dumps({name: round(getattr(result, name), 4) for name in names}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
