"""A registry, a store and a controller on one simulated clock, with applications that do as they are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from coalmine_analytics.readout import FixedPlans, Readouts
from coalmine_consumers.store import Store
from coalmine_registry.registry import Registry
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.controller import Controller
from coalmine_rollouts.plan import RolloutPlan, read_plan
from coalmine_rollouts.records import Decided, Rollout, RolloutStatus
from coalmine_schemas.batch import arrow_schema
from coalmine_schemas.prompts import ServedPrompt, ServeExperiment, assignment_point, choose_arm
from coalmine_server.services.experiment_plans import RegistryPlans
from tests.support.data.looked_at import SetClock
from tests.support.data.registry_case import BOB, PROMPT, push, serve
from tests.support.data.store_feed import Feed, group_of, id_at

BEGIN = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
QUICK = read_plan(
    {
        "stages": [
            {"weight": "10%", "min_time": "5m", "min_units": 30},
            {"weight": "50%", "min_time": "5m", "min_units": 100, "gate": "not_worse"},
        ],
        "bake": {"time": "5m", "holdback": "5%"},
        "limits": {"error_rate": "20%"},
        "metrics": {},
    }
)
"""A plan of minutes."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What calls with one version are like."""

    quality: float = 0.82
    errors: float = 0.01
    cost_nano_usd: float = 2e6
    latency_ms: float = 800.0
    model: str = "gpt-4o-mini"
    spread: float = 0.2
    """Of cost and latency; half of it of quality."""


GOOD = Behaviour()
BROKEN = Behaviour(errors=0.9)
STEADY = Behaviour(errors=0.0, spread=0.05)
"""So alike that little is needed to prove it."""


@dataclass(slots=True)
class Application:
    """Services that call a prompt: they follow the registry, unless they are told not to."""

    per_minute: int = 60
    units: int = 3_000
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    frozen_at: ServedPrompt | None = None
    """What it goes on to serve, whatever the registry says."""
    app: str = "support"
    silent_arms: frozenset[str] = frozenset()
    """Arms whose requests are lost."""
    sends: bool = True
    scored: bool = True
    resolution: str = "live"

    def requests(
        self,
        served: ServedPrompt,
        prompt: str,
        begin: datetime,
        length: timedelta,
        random: np.random.Generator,
    ) -> pa.Table:
        """The requests of a stretch of time."""
        served = self.frozen_at or served
        count = int(self.per_minute * length.total_seconds() / 60) if self.sends else 0
        seconds = np.sort(random.uniform(0, length.total_seconds(), count))
        units = random.integers(0, self.units, count)
        rows: list[dict[str, Any]] = []
        for second, unit in zip(seconds, units, strict=True):
            name, arm, version, epoch = _resolve(served, f"user-{unit}")
            if arm in self.silent_arms:
                continue
            is_like = self.behaviours.get(version, GOOD)
            rows.append(
                {
                    "event_time": begin + timedelta(seconds=float(second)),
                    "app": self.app,
                    "environment": "prod",
                    "prompt": prompt,
                    "version": version,
                    "variant": arm,
                    "experiment": name,
                    "allocation_epoch": epoch,
                    "unit_id": f"user-{unit}",
                    "unit_group": group_of(f"user-{unit}"),
                    "resolution": self.resolution,
                    "request_model": is_like.model,
                    "response_model": is_like.model,
                    "input_tokens": int(random.integers(400, 600)),
                    "output_tokens": int(random.integers(80, 120)),
                    "cost_nano_usd": int(is_like.cost_nano_usd * random.lognormal(0, is_like.spread)),
                    "cost_source": "price_list",
                    "outcome": "ok",
                    "latency_ms": float(is_like.latency_ms * random.lognormal(0, is_like.spread)),
                    "error_type": "timeout" if random.random() < is_like.errors else None,
                    "metrics": [
                        ("quality", min(max(random.normal(is_like.quality, is_like.spread / 2), 0.0), 1.0))
                    ]
                    if self.scored
                    else [],
                    "segments": [],
                    "request_parameters": [],
                    "other_usage": [],
                    "request_id": _id(begin + timedelta(seconds=float(second)), random),
                }
            )
        return pa.Table.from_pylist(rows, schema=arrow_schema("requests"))


class Rig:
    """Everything that a rollout needs, on one clock."""

    def __init__(self, folder: Path, *, address: str | None = None, seed: int = 5) -> None:
        self.clock = SetClock(BEGIN)
        self.address = address or str(folder / "registry.db")
        self.registry = Registry.open(self.address, clock=self.clock)
        self.store = Store.open(folder / "store")
        self.readouts = Readouts(self.store, RegistryPlans(FixedPlans(), self.registry), clock=self.clock)
        self.rollouts = Rollouts(self.registry)
        self.applications: dict[str, list[Application]] = {}
        self.feed = Feed()
        self.random = np.random.default_rng(seed)
        self.missing: dict[str, str] = {}
        """Why scores of any prompt fail to come, by metric."""
        self.controller = self.new_controller()
        self.decided: list[Decided] = []

    def new_controller(self) -> Controller:
        """A controller that knows nothing yet, as after a restart."""
        return Controller(
            self.registry,
            self.store,
            self.readouts,
            clock=self.clock,
            longest_gap_s=240.0,
            missing_scores=lambda _environment, _prompt: self.missing,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self.registry.close()

    def serve(self, *versions: str, treatment: str | None = None, prompt: str = PROMPT) -> Application:
        """Serves versions one after the other, registers another one, and has an application call them."""
        serve(self.registry, *versions, prompt=prompt)
        if treatment is not None:
            push(self.registry, treatment, prompt=prompt)
        application = Application()
        self.applications[prompt] = [application]
        return application

    def start(
        self, version: str = "1.1.0", plan: RolloutPlan = QUICK, prompt: str = PROMPT, **given: Any
    ) -> Rollout:
        """Starts a rollout as Bob."""
        return self.rollouts.start(
            given.pop("actor", BOB), prompt, version, plan, environment="prod", **given
        )

    def send(self, length: timedelta = timedelta(minutes=1)) -> None:
        """Applications call for a while that ends now."""
        begin = self.clock.now - length
        tables = []
        for prompt, applications in self.applications.items():
            served = self.registry.snapshot("prod").prompts[prompt]
            for each in applications:
                table = each.requests(served, prompt, begin, length, self.random)
                if table.num_rows:
                    tables.append(table)
        if tables:
            self.store.commit(self.feed.batch(pa.concat_tables(tables)))

    def minutes(self, count: int, *, step: int = 1) -> list[Decided]:
        """Lets time pass: calls for a step of minutes, then a tick."""
        made = []
        for _ in range(count):
            self.clock.move(minutes=step)
            self.send(timedelta(minutes=step))
            made += self.tick()
        return made

    def tick(self) -> list[Decided]:
        """Ticks once."""
        made = self.controller.tick()
        self.decided += made
        return made

    def until(self, state: str, rollout_id: str, *, within: int = 240, step: int = 1) -> Rollout:
        """Lets time pass until a rollout is in a state."""
        for _ in range(within):
            if self.rollouts.rollout(rollout_id).state == state:
                break
            self.minutes(1, step=step)
        found = self.rollouts.rollout(rollout_id)
        assert found.state == state, (found.state, found.reasons, self.status(rollout_id).sentence)
        return found

    def status(self, rollout_id: str) -> RolloutStatus:
        """Where it stands."""
        return self.controller.status(rollout_id)

    def kinds(self, rollout_id: str) -> list[str]:
        """The kinds of its decisions."""
        return [each.kind for each in self.rollouts.decisions(rollout_id, limit=500).items]

    def weight(self, prompt: str = PROMPT) -> float | None:
        """Share of the treatment that is served by default; None without an experiment."""
        served = self.registry.snapshot("prod").prompts[prompt]
        if not isinstance(served.default, ServeExperiment):
            return None
        return served.experiments[served.default.experiment].arms[0].weight


def _resolve(served: ServedPrompt, unit: str) -> tuple[str | None, str | None, str, int | None]:
    if isinstance(served.default, ServeExperiment):
        name = served.default.experiment
        experiment = served.experiments[name]
        arm = choose_arm(experiment.arms, assignment_point(experiment.salt, unit))
        return name, arm.variant, arm.version, experiment.allocation_epoch
    return None, None, served.default.version, None


def _id(at: datetime, random: np.random.Generator) -> str:
    return id_at(at, int(random.integers(0, 1 << 62)))
