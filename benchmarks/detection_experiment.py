"""One simulated experiment: its service, its users, and the result of each look."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy import stats

from coalmine import Coalmine
from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.metrics import planned
from coalmine_analytics.readout import Readouts
from coalmine_analytics.results.readout import ArmReadout
from coalmine_analytics.results.verdicts import ACTING
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.prompts import PromptContent, Snapshot, Variable
from coalmine_schemas.prompts.assignment import Arm
from coalmine_schemas.prompts.snapshot import Experiment, ServedPrompt, ServeExperiment
from coalmine_simulator.actions import Action, FeedbackAction, RequestAction
from coalmine_simulator.config import SimulationConfig
from coalmine_simulator.events import feedback_event, request_event, score_event
from coalmine_simulator.profiles import PromptProfile
from coalmine_simulator.services import search_answer, search_stable, serve_only
from coalmine_simulator.simulation import Simulation
from coalmine_simulator.users import Population, User
from coalmine_simulator.version_choice import Chosen, RegistryChooser

SHARE = 0.05
"""Of users that get the canary."""
ALPHA = 0.05
USERS = 20_000
"""Of each experiment, most of whom hardly ever come."""
MIN_UNITS = 30
"""The t-test begins with as many units in each arm as the readout."""

_STABLE, _CANARY = "3.1.0", "3.2.0"
_BEGAN = timedelta(days=2)
"""The simulated hours lie in the past, as history that is played at once does; they begin at midnight, since
references end with a full minute."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where something was found."""

    requests: int
    """Of the experiment, both arms."""
    canary: int
    """Those of the canary."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of one run."""

    seed: int
    rollback: Stop | None
    """The readout's decision."""
    blamed: str
    """The decision in words."""
    quality: Stop | None
    """Harm to quality alone, without correction for the other metrics."""
    peeking: Stop | None
    """A t-test of the same values, repeated at each look."""
    acting_metrics: int
    """In the family that the decision corrects for."""
    variances: tuple[float, ...]
    """Variance of the difference in quality that chance makes, by look; none of a run that was not equal."""
    units: tuple[int, ...]
    """Units with a value of quality, both arms, by look; likewise."""


class Run:
    """One experiment: makes its events, and notes what each look says."""

    def __init__(self, seed: int, effect: float, client: Coalmine) -> None:
        self.seed = seed
        self.name = f"run-{seed}"
        stable = search_stable()
        canary = replace(stable, version=_CANARY, quality=stable.quality * (1 + effect))
        prompt = search_answer(serve_only(_STABLE), replace(stable, version=_STABLE), canary)
        config = SimulationConfig((replace(prompt, name=self.name),), population=Population(users=USERS))
        self._client = client
        self._launch = _Launch(RegistryChooser(lambda _app, _environment: client))
        self._actions = iter(Simulation(config, seed, self._launch))
        self._began_at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - _BEGAN
        self._ids: dict[int, str] = {}
        self._equal = effect == 0
        self._units: dict[str, int] = {}
        # Of every request whose quality is known.
        self._in_canary, self._values, self._unit_of = array("b"), array("d"), array("i")
        self._variances: list[float] = []
        self._units_seen: list[int] = []
        self._rollback: Stop | None = None
        self._quality: Stop | None = None
        self._peeking: Stop | None = None
        self._arm: ArmReadout | None = None
        self.requests = 0
        self._canary = 0

    def before(self, requests: int) -> None:
        """Play so many requests; the experiment begins after them."""
        for _ in range(requests):
            self._next()
        self._launch.is_done = True

    def advance(self, requests: int) -> None:
        """Play until the experiment has so many requests."""
        while self.requests < requests:
            self._note(self._next())

    def look(self, readouts: Readouts) -> None:
        """Take a look, and the other methods with it."""
        readout = readouts.current(self.name)
        if readout is None:
            raise RuntimeError(f"the store knows no experiment {self.name}")
        seen = readout.control_requests + sum(arm.requests for arm in readout.arms)
        if seen != self.requests:
            raise RuntimeError(f"{self.name} made {self.requests} requests, and the look saw {seen}")
        here = Stop(self.requests, self._canary)
        for arm in readout.arms:
            self._arm = arm
            if arm.decision == "rollback":
                self._rollback = self._rollback or here
            harm = next(each.evidence.harm for each in arm.metrics if each.metric == "quality")
            if harm is not None and harm <= ALPHA:
                self._quality = self._quality or here
        self._look_otherwise(here)

    @property
    def is_over(self) -> bool:
        """True if further looks cannot change the result; never true of an equal pair."""
        return not self._equal and None not in (self._rollback, self._quality, self._peeking)

    def watched(self) -> Watched:
        """What was seen."""
        return Watched(
            self.seed,
            self._rollback,
            "" if self._arm is None else self._arm.words,
            self._quality,
            self._peeking,
            sum(metric.role in ACTING for metric in planned({})),
            tuple(self._variances),
            tuple(self._units_seen),
        )

    def _next(self) -> RequestAction:
        """Emit until a request was emitted."""
        while True:
            action = next(self._actions)
            self._emit(action)
            if isinstance(action, RequestAction):
                return action

    def _emit(self, action: Action) -> None:
        at = self._began_at + timedelta(seconds=action.at_s)
        if isinstance(action, RequestAction):
            self._ids[action.number] = uuid7()
            event = request_event(
                action, request_id=self._ids[action.number], parent_request_id=None, began_at=at
            )
            self._client.emit_request(event)
        elif isinstance(action, FeedbackAction):
            self._client.emit_feedback(feedback_event(action, request_id=self._ids[action.request], at=at))
        else:
            self._client.emit_score(score_event(action, request_id=self._ids[action.request], at=at))

    def _note(self, request: RequestAction) -> None:
        if request.experiment is None:  # began before the experiment did
            return
        self.requests += 1
        self._canary += request.variant == "canary"
        if request.quality is not None:
            self._in_canary.append(request.variant == "canary")
            self._values.append(request.quality)
            self._unit_of.append(self._units.setdefault(request.unit_id, len(self._units)))

    def _look_otherwise(self, here: Stop) -> None:
        """What a t-test says, and how much chance moves the difference, from the values themselves."""
        canary, quality = np.array(self._in_canary, np.bool_), np.array(self._values)
        units = np.array(self._unit_of, np.int64)
        if self._equal:
            self._variances.append(_variance_of_difference(quality, units))
            self._units_seen.append(len(self._units))
        fewest = min(np.count_nonzero(np.bincount(units[chosen])) for chosen in (canary, ~canary))
        if self._peeking is None and fewest >= MIN_UNITS:
            found = stats.ttest_ind(quality[canary], quality[~canary], equal_var=False, alternative="less")
            if found.pvalue <= ALPHA:
                self._peeking = here


class _Launch:
    """Serves the stable version until the experiment begins, then what the client says."""

    def __init__(self, served: RegistryChooser) -> None:
        self._served = served
        self.is_done = False

    def choose(self, prompt: PromptProfile, user: User, session_id: str, at_s: float) -> Chosen:
        """See `Chooser.choose`."""
        if not self.is_done:
            return Chosen(prompt.profile(_STABLE))
        return self._served.choose(prompt, user, session_id, at_s)


def _variance_of_difference(values: FloatArray, units: IntArray) -> float:
    """Variance over assignments of canary's mean less control's, where both have the same version.

    All units together tell it best: each is in the canary with a chance of `SHARE`, with all its requests.
    """
    x, y = np.bincount(units).astype(np.float64), np.bincount(units, values)
    residual = y - x * (y.sum() / x.sum())
    of_mean = len(x) / (len(x) - 1) * np.square(residual).sum() / x.sum() ** 2
    return float(of_mean / (SHARE * (1 - SHARE)))


def snapshot(seeds: Sequence[int]) -> Snapshot:
    """What the environment serves once the experiments run."""
    content = PromptContent(template="Answer: {{ question }}", variables={"question": Variable()})
    prompts = {}
    for seed in seeds:
        arms = (Arm("canary", _CANARY, SHARE), Arm("control", _STABLE, 1 - SHARE))
        name = f"run-{seed}"
        experiment = Experiment(f"salt-{seed}", 1, arms)
        prompts[name] = ServedPrompt(1, ServeExperiment(name), experiments={name: experiment})
    contents = {f"{name}@{version}": content for name in prompts for version in (_STABLE, _CANARY)}
    return Snapshot("prod", 1, prompts, contents)
