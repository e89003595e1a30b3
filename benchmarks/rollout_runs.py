"""Rollouts of many prompts at once, through the real registry, store and controller, on a simulated clock.

Each prompt has users of its own, and asks the registry's snapshot which version a user gets. What they send
is written straight into the store, as rows: the client and the spool have benchmarks of their own.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from coalmine_analytics.arrays import BoolArray, IntArray
from coalmine_analytics.calibration.end_to_end.service import Change, Requests, Service, values_of
from coalmine_analytics.readout import FixedPlans, Readouts
from coalmine_consumers.maintenance import CompactionPolicy
from coalmine_consumers.maintenance.compact import CompactionState, compact
from coalmine_consumers.store import Store, StoreSettings
from coalmine_registry.registry import Registry
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.controller import Controller
from coalmine_rollouts.plan import RolloutPlan
from coalmine_schemas.prompts import Experiment, ServeExperiment, assignment_point
from coalmine_schemas.quantities import seconds
from coalmine_server.services.experiment_plans import RegistryPlans
from tests.support.data.looked_at import SetClock
from tests.support.data.registry_case import BOB, push, serve
from tests.support.data.service_requests import request_rows
from tests.support.data.store_feed import Feed

STABLE, TREATMENT = "1.0.0", "1.1.0"
BEGIN: Final = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
HISTORY: Final = timedelta(hours=1)
"""Traffic before a rollout, from which references are taken."""
LOYAL: Final = 0.5
"""Share of requests from users who return; the others come once."""
LOYAL_PER_S: Final = 10_000
"""Of these users, for each request a second."""
SEGMENTS: Final = {"language": ("en", "de", "fr", "es"), "plan": ("free", "pro")}
"""Declared segments: each user has one value of each key."""
_OF_USER: Final = 0.3
"""Share of the variance that lies between users."""
_FINE_TICKS: Final = 15
"""The first ticks are a minute apart, then `COARSE`."""
_FINE, COARSE = timedelta(minutes=1), timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Kind:
    """How the treatment of a rollout is."""

    name: str
    change: Change = field(default_factory=Change)
    invalid: float = 0.0
    """Share of its answers that break the output schema."""
    from_bake: bool = False
    """True: only from the middle of the bake on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a rollout ended."""

    kind: str
    state: str
    hours: float
    """From its start to its end."""
    treated_requests: int
    treated_units: int
    units: int
    """All that asked meanwhile."""
    slowest_tick_s: float
    """Of all rollouts that share a store, in seconds of one core."""
    reasons: tuple[str, ...]


class Users:
    """Who asks for one prompt, and what their calls are like."""

    def __init__(self, prompt: str, kind: Kind, per_s: float, rng: np.random.Generator) -> None:
        self.prompt = prompt
        self.kind = kind
        self._service = Service(per_s=per_s)
        self._rng = rng
        loyal = max(int(LOYAL_PER_S * per_s), 100)
        self._activity = np.cumsum(rng.gamma(1.0, size=loyal))
        self._own = {name: rng.normal(size=loyal) for name in ("quality", "cost", "latency")}
        self._next = loyal
        self._points: dict[int, float] = {}
        self.treated: set[int] = set()
        self.seen: set[int] = set()
        self.treated_requests = 0

    def rows(
        self, begin: datetime, length: timedelta, experiment: tuple[str, Experiment] | None, *, harmful: bool
    ) -> pa.Table:
        """The requests of a while.

        Args:
            begin: When it begins.
            length: Of the while.
            experiment: That serves them, and its name; None: one version serves all.
            harmful: Whether the treatment behaves as its kind says.
        """
        rng, seconds = self._rng, length.total_seconds()
        count = int(rng.poisson(self._service.per_s * seconds))
        at_s = np.sort(rng.random(count)) * seconds
        unit = np.searchsorted(self._activity, rng.random(count) * self._activity[-1])
        once = rng.random(count) >= LOYAL
        unit[once] = self._next + np.arange(int(once.sum()))
        self._next += int(once.sum())
        known = unit < len(self._activity)
        latent = {
            name: np.sqrt(_OF_USER) * np.where(known, own[np.where(known, unit, 0)], rng.normal(size=count))
            + np.sqrt(1.0 - _OF_USER) * rng.normal(size=count)
            for name, own in self._own.items()
        }
        treated: BoolArray = np.zeros(count, np.bool_)
        columns: dict[str, pa.Array] = {}
        if experiment is not None:
            name, served = experiment
            weights = {arm.variant: arm.weight for arm in served.arms}
            treated = (
                np.array([self._point(served.salt, each) for each in unit.tolist()]) < weights["treatment"]
            )
            self.seen.update(unit.tolist())
            self.treated.update(unit[treated].tolist())
            self.treated_requests += int(treated.sum())
            columns = {
                "experiment": pa.repeat(pa.scalar(name), count),
                "allocation_epoch": pa.array(np.full(count, served.allocation_epoch, np.int32)),
                "variant": pa.array(np.where(treated, "treatment", "control")),
                "version": pa.array(np.where(treated, TREATMENT, STABLE)),
            }
        kind = self.kind
        change = kind.change if harmful else Change()
        values = values_of(self._service, change, at_s, treated, latent=latent, rng=rng)
        invalid = treated & (rng.random(count) < (kind.invalid if harmful else 0.0))
        values["schema_invalid"] = invalid.astype(np.float64)
        requests = Requests(at_s, unit, np.zeros(count, np.int64), np.zeros(count, np.int64), treated, values)
        return request_rows(
            requests,
            begin,
            rng,
            named=("quality", "schema_invalid"),
            prompt=self.prompt,
            segments=_segments(unit),
            **columns,
        )

    def _point(self, salt: str, unit: int) -> float:
        found = self._points.get(unit)
        if found is None:
            found = self._points[unit] = assignment_point(salt, f"user-{unit}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Rollouts that share a store."""

    kind: Kind
    runs: int
    per_s: float
    """Requests a second for each prompt."""
    plan: RolloutPlan
    seed: int
    longest: timedelta
    """Simulated time after which they are left alone."""


def watch(task: Task, folder: Path) -> list[Ended]:
    """Rolls out one prompt for each run, all at once; returns how each ended, or stands at the longest.

    Args:
        task: What to watch.
        folder: For the store and the registry.
    """
    world = _World(task, folder)
    try:
        world.begin()
        while world.live and world.clock.now - BEGIN < task.longest:
            world.step()
        return [world.ended(each) for each in world.users]
    finally:
        world.close()


class _World:
    """A registry, a store and a controller on one clock."""

    def __init__(self, task: Task, folder: Path) -> None:
        self._task = task
        self.clock = SetClock(BEGIN)
        rngs = np.random.default_rng(task.seed).spawn(task.runs)
        self.users = [Users(f"prompt-{n}", task.kind, task.per_s, rng) for n, rng in enumerate(rngs)]
        self.live = {each.prompt: each for each in self.users}
        self._registry = Registry.open(str(folder / "registry.db"), clock=self.clock)
        self._store = Store.open(folder / "store", StoreSettings(segments=tuple(SEGMENTS)))
        self._rollouts = Rollouts(self._registry, most_at_once=task.runs)
        self._controller = Controller(
            self._registry,
            self._store,
            Readouts(self._store, RegistryPlans(FixedPlans(), self._registry), clock=self.clock),
            clock=self.clock,
            longest_gap_s=2 * COARSE.total_seconds(),
            source_lag_s=lambda: 0.0,
        )
        self._policy, self._compacted = CompactionPolicy(), CompactionState()
        self._feed = Feed()
        self._harmful_from = datetime.max.replace(tzinfo=UTC) if task.kind.from_bake else BEGIN
        self._ids: dict[str, str] = {}
        self._harmful: dict[str, datetime] = {}
        self._ticks = 0
        self._slowest_s = 0.0

    def begin(self) -> None:
        """An hour of traffic, then every rollout starts."""
        for each in self.users:
            serve(self._registry, STABLE, prompt=each.prompt)
            push(self._registry, TREATMENT, prompt=each.prompt)
        self._commit([each.rows(BEGIN - HISTORY, HISTORY, None, harmful=False) for each in self.users])
        for each in self.users:
            started = self._rollouts.start(BOB, each.prompt, TREATMENT, self._task.plan, environment="prod")
            self._ids[each.prompt] = started.id

    def step(self) -> None:
        """Some minutes of traffic, then a tick."""
        length = _FINE if self._ticks < _FINE_TICKS else COARSE
        now, prompts = self.clock.now, self._registry.snapshot("prod").prompts
        tables = []
        for prompt, each in self.live.items():
            served = prompts[prompt]
            experiment = None
            if isinstance(served.default, ServeExperiment):
                name = served.default.experiment
                experiment = (name, served.experiments[name])
            harmful = now >= self._harmful.get(prompt, self._harmful_from)
            tables.append(each.rows(now, length, experiment, harmful=harmful))
        self._commit(tables)
        compact(self._store, self._policy, self._compacted)  # as the server's maintenance does
        self.clock.move(seconds=length.total_seconds())
        began_s = time.process_time()
        decided = self._controller.tick()
        self._slowest_s = max(self._slowest_s, time.process_time() - began_s)
        self._ticks += 1
        for made in decided:
            if made.rollout.state == "baking" and self._task.kind.from_bake:
                middle = timedelta(seconds=seconds(self._task.plan.bake.time) / 2)
                self._harmful.setdefault(made.rollout.prompt, self.clock.now + middle)
            if made.rollout.is_terminal:
                self.live.pop(made.rollout.prompt, None)

    def ended(self, users: Users) -> Ended:
        """How a rollout ended."""
        rollout = self._rollouts.rollout(self._ids[users.prompt])
        return Ended(
            kind=users.kind.name,
            state=rollout.state,
            hours=((rollout.ended_at or self.clock.now) - BEGIN).total_seconds() / 3_600.0,
            treated_requests=users.treated_requests,
            treated_units=len(users.treated),
            units=len(users.seen),
            slowest_tick_s=self._slowest_s,
            reasons=rollout.reasons,
        )

    def close(self) -> None:
        """Closes the store and the registry."""
        self._store.close()
        self._registry.close()

    def _commit(self, tables: Sequence[pa.Table]) -> None:
        self._store.commit(self._feed.batch(pa.concat_tables(tables)))


def _segments(unit: IntArray) -> pa.Array:
    """The segments of each request's user."""
    columns = [
        pa.DictionaryArray.from_arrays(unit // 7**place % len(values), list(values)).cast(pa.string())
        for place, values in enumerate(SEGMENTS.values())
    ]
    count = len(unit)
    pairs = pa.StructArray.from_arrays(
        [
            pa.array(np.tile(np.array(list(SEGMENTS)), count)),
            pa.array(np.stack([each.to_numpy(zero_copy_only=False) for each in columns], -1).ravel()),
        ],
        ["key", "value"],
    )
    offsets = np.arange(count + 1, dtype=np.int32) * len(SEGMENTS)
    return pa.ListArray.from_arrays(pa.array(offsets), pairs)
