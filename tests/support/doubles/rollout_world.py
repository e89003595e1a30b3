"""A controller on a real registry, whose applications and readouts do what a test says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from coalmine_analytics.readout import OwnValue, Readouts
from coalmine_analytics.results.readout import Readout
from coalmine_consumers.store import Store
from coalmine_registry.registry import Registry
from coalmine_rollouts.controller import Controller
from coalmine_rollouts.inputs import Usual
from coalmine_rollouts.place import Key
from coalmine_rollouts.records import Decided
from coalmine_rollouts.traffic import KEPT, PromptTraffic, Seen
from coalmine_schemas.prompts import ServeExperiment, ServeVersion
from tests.support.data.looked_at import SetClock
from tests.support.data.rollout_inputs import a_readout


class World:
    """What applications do and what readouts say, on a clock that a test moves."""

    def __init__(self, registry: Registry, clock: SetClock) -> None:
        self.registry = registry
        self.clock = clock
        self.readouts: dict[str, Readout] = {}
        """By experiment; others are fine."""
        self.failing: set[str] = set()
        """Experiments whose readout cannot be taken."""
        self.silent = False
        """True: nobody calls anything."""
        self.ingest_id = 0
        self.watermark: datetime | None = None
        self.traffic: dict[Key, PromptTraffic] = {}
        self.controller = self.new_controller()

    def new_controller(self) -> Controller:
        """A controller that knows nothing yet."""
        made = Controller(
            self.registry,
            cast(Store, _NoStore()),
            cast(Readouts, self),
            clock=self.clock,
            longest_gap_s=120.0,
        )
        made._observed = cast(Any, self)
        return made

    def minutes(self, count: int) -> list[Decided]:
        """Lets time pass: calls, then a tick, every minute."""
        made = []
        for _ in range(count):
            self.clock.move(minutes=1)
            self.call()
            made += self.controller.tick()
        return made

    def call(self) -> None:
        """Applications call what is served, in the last minute."""
        if self.silent:
            return
        self.ingest_id += 1
        self.watermark = self.clock.now
        for environment in ("prod", "staging"):
            for prompt, served in self.registry.snapshot(environment).prompts.items():
                here = self.traffic.setdefault((environment, prompt), PromptTraffic())
                here.forget(self.clock.now - KEPT)
                for serve in (served.default, *(rule.serve for rule in served.rules)):
                    for each in self._seen(serve, served.experiments):
                        here.add(each)

    def _seen(self, serve: Any, experiments: Mapping[str, Any]) -> list[Seen]:
        minute = (self.clock.now - timedelta(seconds=30)).replace(second=0, microsecond=0)
        one = Seen(
            experiment=None,
            epoch=0,
            arm=None,
            version="",
            app="support",
            client_version="1.0",
            resolution="live",
            model="gpt-4o-mini",
            minute=minute.astimezone(UTC),
            requests=200,
            errors=2,
            latency_ms=160_000.0,
            last_at=self.clock.now,
        )
        if isinstance(serve, ServeVersion):
            return [replace(one, version=serve.version)]
        assert isinstance(serve, ServeExperiment)
        experiment = experiments[serve.experiment]
        return [
            replace(
                one,
                experiment=serve.experiment,
                epoch=experiment.allocation_epoch,
                arm=arm.variant,
                version=arm.version,
                requests=max(int(2_000 * arm.weight), 1),
            )
            for arm in experiment.arms
        ]

    # As `Readouts`

    def current(self, experiment: str, *, max_age: timedelta = timedelta(0)) -> Readout | None:
        """See `Readouts.current`."""
        if experiment in self.failing:
            raise ValueError(f"no readout of {experiment}")
        return replace(self.readouts.get(experiment, a_readout()), experiment=experiment)

    def own_values(self, _experiment: str, _arm: str) -> dict[str, OwnValue]:
        """See `Readouts.own_values`."""
        return {}

    # As `Observed`

    def read(self, keys: frozenset[Key], now: datetime) -> None:
        """See `Observed.read`."""

    def prompt(self, key: Key) -> PromptTraffic:
        """See `Observed.prompt`."""
        return self.traffic.get(key, PromptTraffic())

    def treated(self, _experiment: str) -> int:
        """See `Observed.treated`."""
        return 1_000 * self.ingest_id

    def usual(self, _key: Key) -> Usual | None:
        """See `Observed.usual`."""
        return None

    def missing_metrics(self, _key: Key) -> Mapping[str, str]:
        """See `Observed.missing_metrics`."""
        return {}


class _NoStore:
    def reader(self) -> None:
        return None
