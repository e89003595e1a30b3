"""What readouts cost: 1000 comparisons beside gbstats, a readout of 10M requests, and the server's looks.

* comparisons: from sums of 256 unit groups per arm to effect, interval and e-value, no SQL; gbstats 0.8.0
  does as many sequential tests in the same run, from a frame of sums by `analyze_metric_df`. Its pins
  exclude our numpy, so it is installed without them into a temporary folder; without a package index its
  figure is null.
* wide readouts: from sums of 10 epochs, 5 arms and 256 groups to verdicts and decisions, no SQL: of 12
  metrics, and of 30, which a hundred experiments are taken to have. One arm is worse in everything; there are
  two absolute limits.
* readout: an experiment of 1M units and 10M requests with 10 metrics, its cells and units made by the very
  functions that ingest uses and folded by the policy of a running server; from the query to stored look.
* worker: processor time of a look in the background after 30 s of 5000 events/s, over those 30 s.
* unchanged: what it costs to ask for the readout again when no batch came in.

Run alone: `python -m benchmarks.readout [--requests 10000000] [--json]`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.readout import FixedPlans, Plan, Readouts, read_out
from coalmine_consumers.aggregation.cells import request_cells
from coalmine_consumers.arrays import timestamps
from coalmine_consumers.experiments import ExperimentSums
from coalmine_consumers.maintenance.compact import CompactionState, compact
from coalmine_consumers.maintenance.policy import CompactionPolicy
from coalmine_consumers.sql import lent
from coalmine_consumers.store import Store

COMPARISONS = 1_000
GROUPS = 256
UNITS = 1_000_000
BATCH_ROWS = 200_000
EVENTS_PER_S = 5_000
LOOK_EVERY_S = 30
"""The default of `readout.look_every_s`."""
REPEATS = 9
METRICS = 4
"""Named numbers of a request; with errors, refusals, tokens and the like an arm has eleven metrics."""
GBSTATS = "gbstats==0.8.0"


def milliseconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of some runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def comparisons_ms() -> float:
    """1000 comparisons from sums of groups."""
    random = np.random.default_rng(1)
    x = random.poisson(20.0, (2, COMPARISONS, GROUPS)).astype(float)
    y = random.normal(0.8 * x, 0.3)

    def compare() -> None:
        effect = difference(arm_ratio(y[0], x[0]), arm_ratio(y[1], x[1]))
        log_e_value(effect, mde=0.02)
        confidence_sequence(effect, mde=0.02)

    return milliseconds(compare, 25)


def gbstats_ms(folder: Path) -> float | None:
    """As many sequential tests by gbstats; None if it cannot be had."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder),
        GBSTATS,
    ]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        return None
    sys.path.insert(0, str(folder))
    try:
        from gbstats import gbstats  # type: ignore[import-not-found] # noqa: PLC0415
        from gbstats.models import settings  # type: ignore[import-not-found] # noqa: PLC0415
    except ImportError:
        return None
    random = np.random.default_rng(1)
    rows = [
        {"dimension": str(row), "variation": variation, "users": 5_000, "count": 5_000}
        | {"main_sum": 5_000 * mean, "main_sum_squares": 5_000 * (mean**2 + 0.09)}
        for row, means in enumerate(random.normal(0.8, 0.01, (COMPARISONS, 2)).tolist())
        for variation, mean in zip("ct", means, strict=True)
    ]
    names = ["c", "t"]
    frame = gbstats.get_metric_df(pa.Table.from_pylist(rows).to_pandas(), {"c": 0, "t": 1}, names)
    metric = settings.MetricSettingsForStatsEngine(
        id="quality", name="quality", statistic_type="mean", main_metric_type="count"
    )
    analysis = settings.AnalysisSettingsForStatsEngine(
        var_names=names,
        var_ids=names,
        weights=[0.5, 0.5],
        stats_engine="frequentist",
        sequential_testing_enabled=True,
        difference_type="absolute",
    )
    return milliseconds(lambda: gbstats.analyze_metric_df(frame.copy(), metric, analysis), 3)


def wide_readout_ms(named: int) -> tuple[float, int]:
    """Processor time of a readout of 10 epochs and 5 arms, and its metrics, some of which are named ones."""
    random = np.random.default_rng(1)
    shape = (10, 5, GROUPS)
    requests = random.poisson(20.0, shape).astype(float)
    names = ["errors", "refusals", "requests", "latency_ms.over_p95", *(f"m{n:02}" for n in range(named))]
    y = [
        requests
        if name == "requests"
        else random.binomial(20, 0.03, shape).astype(float)
        if number < 4
        else random.normal(0.8 * requests, 0.3 * np.sqrt(requests))
        for number, name in enumerate(names)
    ]
    for metric, values in zip(names, y, strict=True):
        values[:, 0] *= 1.0 if metric == "requests" else 1.5 if metric in names[:4] else 0.95
    units = (requests // 2).astype(np.int64)
    sums = ExperimentSums(
        "wide", tuple(names), tuple(range(1, 11)), ("a", "b", "c", "control", "d"),
        np.stack([requests] * len(names)), np.stack(y), units, 1, units.sum(axis=-1),
    )  # fmt: skip
    plan = Plan(
        overrides={name: MetricOverride(direction="higher", role="must_not_harm") for name in names[4:]},
        limits={"error_rate": 0.2, "refusal_rate": 0.2},
    )
    before = read_out(sums, plan, taken_at=datetime.now(UTC))
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        read_out(sums, plan, taken_at=datetime.now(UTC), before=before)
        times.append(1000 * (time.process_time() - started))
    return statistics.median(times), len(before.arms[0].metrics)


class Experiment:
    """Fills the cells and units of one experiment, batch by batch."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._random = np.random.default_rng(2)
        numbers = np.arange(UNITS)
        self._names = pa.array([f"user-{number}" for number in numbers])
        self._groups = self._random.integers(0, GROUPS, UNITS)
        self._arms = (self._random.random(UNITS) < 0.05).astype(np.int32)
        self._state = CompactionState()

    def add(self, rows: int) -> None:
        """Append what a batch of requests adds, and fold as housekeeping would."""
        random = self._random
        unit = random.integers(0, UNITS, rows)
        entries = pa.StructArray.from_arrays(
            [
                pa.DictionaryArray.from_arrays(
                    np.tile(np.arange(METRICS, dtype=np.int32), rows),
                    pa.array(["quality", *(f"metric_{number}" for number in range(1, METRICS))]),
                ).cast(pa.string()),
                pa.array(random.normal(0.8, 0.1, METRICS * rows)),
            ],
            ["key", "value"],
        )
        offsets = pa.array(np.arange(0, METRICS * rows + 1, METRICS, dtype=np.int32))
        nothing = pa.nulls(rows, pa.int64())
        table = pa.table(
            {
                "experiment": pa.repeat("big", rows),
                "allocation_epoch": pa.array(np.ones(rows, np.int32)),
                "event_time": timestamps(random.integers(1_790_000_000_000_000, 1_791_000_000_000_000, rows)),
                "variant": pa.DictionaryArray.from_arrays(
                    pa.array(self._arms[unit]), pa.array(["control", "canary"])
                ),
                "unit_group": pa.array(self._groups[unit].astype(np.int32)),
                "unit_id": self._names.take(pa.array(unit)),
                "error_type": pa.array(np.full(rows, "timeout"), mask=random.random(rows) >= 0.03),
                "finish_reason": pa.repeat("stop", rows),
                "cost_nano_usd": nothing,
                "cost_uncached_nano_usd": nothing,
                "input_tokens": pa.array(random.integers(100, 4_000, rows)),
                "output_tokens": pa.array(random.integers(10, 800, rows)),
                "latency_ms": nothing.cast(pa.float64()),
                "time_to_first_token_ms": nothing.cast(pa.float64()),
                "metrics": pa.ListArray.from_arrays(offsets, entries),
            }
        )
        cells = request_cells(table)
        with self._store.transaction() as connection:
            for name, added in (
                ("experiment_cells", cells.experiment_cells),
                ("experiment_units", cells.experiment_units),
            ):
                assert added is not None
                with lent(connection, added=added):
                    connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM added").fetchall()
        compact(self._store, CompactionPolicy(), self._state)


def readout_figures(requests: int) -> tuple[float, int, float, float]:
    """Time of a readout in ms, its metrics, the share of a core of looks, and ms when nothing is new."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store")
        experiment = Experiment(store)
        for _ in range(max(1, requests // BATCH_ROWS)):
            experiment.add(BATCH_ROWS)
        readouts = Readouts(store, FixedPlans(Plan(weights={"control": 0.95, "canary": 0.05})))
        found = readouts.current("big")
        assert found is not None
        times, shares = [], []
        for _ in range(REPEATS):
            experiment.add(LOOK_EVERY_S * EVENTS_PER_S)
            # Asked for by name a look is taken each time; by itself the worker skips growth below 1 %.
            cpu, started = time.process_time(), time.perf_counter()
            readouts.current("big", max_age=timedelta(0))
            times.append(1000 * (time.perf_counter() - started))
            shares.append((time.process_time() - cpu) / LOOK_EVERY_S)
        cpu = time.process_time()
        for _ in range(REPEATS):
            readouts.current("big")
        unchanged = 1000 * (time.process_time() - cpu) / REPEATS
        store.close()
        return statistics.median(times), len(found.arms[0].metrics), statistics.median(shares), unchanged


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readout", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000_000, help="requests of the experiment")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    ours = comparisons_ms()
    with tempfile.TemporaryDirectory() as folder:
        theirs = gbstats_ms(Path(folder))
    print(f"1000 comparisons      {ours:8.2f} ms")
    if theirs is None:
        print(f"{GBSTATS} could not be installed: not compared")
    else:
        print(f"the same by gbstats   {theirs:8.2f} ms, {theirs / ours:.0f} times as long")
    (twelve, twelve_metrics), (thirty, thirty_metrics) = wide_readout_ms(3), wide_readout_ms(21)
    beside = "" if theirs is None else f"; {twelve / theirs:.3f} of gbstats' 1000 comparisons"
    print(f"wide readout          {twelve:8.2f} ms: {twelve_metrics} metrics, 10 epochs, 5 arms{beside}")
    print(f"100 wide experiments  {thirty / 10:8.2f} s: {thirty_metrics} metrics, 10 epochs, 5 arms each")
    readout, metrics, share, unchanged = readout_figures(options.requests)
    print(
        f"readout               {readout:8.2f} ms: {metrics} metrics, {UNITS:,} units, "
        f"{options.requests:,} requests"
    )
    print(
        f"looks in background   {share:8.2%} of a core: one every {LOOK_EVERY_S} s "
        f"at {EVENTS_PER_S:,} events/s"
    )
    print(f"unchanged             {unchanged:8.2f} ms")
    if options.json:
        figures = {
            "comparisons_1000_ms": ours,
            "gbstats_1000_ms": theirs,
            "gbstats_over_ours": None if theirs is None else theirs / ours,
            "wide_readout_ms": twelve,
            "wide_readouts_100_s": thirty / 10,
            "readout_ms": readout,
            "worker_core_share": share,
            "unchanged_ms": unchanged,
        }
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
