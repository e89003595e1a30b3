"""Simulated experiments through the real pipeline, looked at every few hundred requests.

Each run is an experiment of its own: own seed, own users, own salt. A simulated service asks the real client
which arm a user gets, its events go through spool, decoding and pricing into a store, and after every
committed batch `Readouts` takes a look, stored like any other. Several runs share a store, as experiments do.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.detection_experiment import ALPHA, SHARE, Run, Watched, snapshot
from coalmine import Coalmine
from coalmine_analytics.readout import FixedPlans, Plan, Readouts
from coalmine_consumers.collector.decode import decode_batch
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.maintenance.compact import CompactionState, compact
from coalmine_consumers.maintenance.policy import CompactionPolicy
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver

FIRST_LOOK = 1_000
"""Requests of an experiment at the first look; 30 units of the canary need more."""
GROWTH = 1.1
"""So many times the requests of the look before are there at the next: 100 more at first, 1,700 at last."""
HISTORY = 1_500
"""Requests before an experiment, from which caps of cost and latency are taken."""

_FLUSH_S = 60.0


@dataclass(frozen=True, slots=True)
class Task:
    """Runs that share a store."""

    seeds: tuple[int, ...]
    effect: float
    """The canary's quality over control's, less one."""
    requests: int
    """Watched at most, in each."""


def look_times(requests: int) -> list[int]:
    """After how many requests of an experiment to look, the last time after `requests`."""
    times: list[int] = []
    while FIRST_LOOK * GROWTH ** len(times) < requests:
        times.append(round(FIRST_LOOK * GROWTH ** len(times)))
    return [*times, requests]


def watch(task: Task) -> list[Watched]:
    """Watch some runs to their ends, in a store of their own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="coalmine-bench-") as folder:
        pipeline = _Pipeline(task, Path(folder))
        try:
            pipeline.play()
        finally:
            pipeline.close()
        return [run.watched() for run in pipeline.runs]


class _Pipeline:
    """Client, spool, store and readouts of some runs."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._task = task
        self._client = Coalmine(
            "docs-search",
            home=folder,
            fallback=snapshot(task.seeds).to_json(),
            on_full="wait",
            # Its thread gives way to the service's unless its queue is full.
            max_queued_events=200,
        )
        self._store = Store.open(folder / "store", StoreSettings(threads=1))
        self._source = SpoolSource(folder / "spool")
        self._source.start(self._store.positions, lambda: None)
        self._decoder, self._pricer = BatchDecoder(SchemaResolver()), Pricer()
        self._folded = CompactionState()
        self._readouts = Readouts(
            self._store, FixedPlans(Plan(alpha=ALPHA, weights={"canary": SHARE, "control": 1 - SHARE}))
        )
        self.runs = [Run(seed, task.effect, self._client) for seed in task.seeds]

    def play(self) -> None:
        """Watch all runs until they are over."""
        for run in self.runs:
            run.before(HISTORY)
        self._collect()
        for requests in look_times(self._task.requests):
            going = [run for run in self.runs if not run.is_over]
            for run in going:
                run.advance(requests)
            self._collect()
            for run in going:
                run.look(self._readouts)
            compact(self._store, CompactionPolicy(), self._folded)

    def _collect(self) -> None:
        """Everything that was emitted, from the spool into the store."""
        if not self._client.flush(_FLUSH_S):
            raise RuntimeError(f"the client did not write its events within {_FLUSH_S:g} s")
        while (raw := self._source.poll(1_000_000, 0.0)) is not None:
            batch = decode_batch(raw, self._decoder, self._pricer)
            self._store.commit(batch)
            self._source.committed(batch.positions)

    def close(self) -> None:
        """Let go of everything."""
        self._client.close(_FLUSH_S)
        self._source.close()
        self._store.close()


def tasks(seeds: Sequence[int], effect: float, requests: int, together: int) -> Iterator[Task]:
    """Runs of these seeds, some of them together in one store."""
    for start in range(0, len(seeds), together):
        yield Task(tuple(seeds[start : start + together]), effect, requests)
