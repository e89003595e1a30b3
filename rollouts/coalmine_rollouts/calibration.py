"""Whole rollouts of simulated services: how often does the controller take a version back that is as good?

Requests and their sums are those of `coalmine_analytics.calibration.end_to_end`, with declared segments
beside them. Each look goes to `decide`, as in a tick, and later requests follow what was decided.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil, inf, isfinite
from typing import Final

import numpy as np
import pyarrow as pa

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.calibration import Row as Figure
from coalmine_analytics.calibration.end_to_end.service import Change, Requests, Service, requests_of
from coalmine_analytics.calibration.end_to_end.sums import ARMS, RunningSums
from coalmine_analytics.calibration.end_to_end.trials import errs, median_of, reaches
from coalmine_analytics.calibration.trial import Outcome, Trial
from coalmine_analytics.readout import Plan, read_out
from coalmine_analytics.results.readout import Readout
from coalmine_analytics.results.verdicts import ACTING
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.experiments import UNIT_GROUPS, SegmentSums
from coalmine_rollouts.decide import decide, watched
from coalmine_rollouts.decision import Decision
from coalmine_rollouts.inputs import CONTROL, TREATMENT, Inputs, Place, Row, Usual
from coalmine_rollouts.plan import RolloutPlan, template
from coalmine_rollouts.records import Rollout, RolloutHold
from coalmine_rollouts.stage_clock import StageClock, bucket_s
from coalmine_rollouts.traffic import PromptTraffic, Seen, traffic_of
from coalmine_rollouts.transition import Circumstances, row_after

SEGMENTS: Final = {"language": ("en", "de", "fr", "es"), "plan": ("free", "pro")}
"""Declared segments: each unit has one value of each key."""
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ID: Final = "simulated"
_CONTROL_VERSION, _TREATMENT_VERSION = "1.0.0", "1.1.0"
_TICK_S, _LONGEST_S, _GROWTH = 60.0, 1_800.0, 0.1
"""Ticks are a minute apart, later a tenth of what the epoch has lasted, and half an hour at most."""
_PLAIN_Z: Final = 1.645
"""p < .05 of one look at one metric."""

Judged = Callable[[RolloutPlan], Plan]
"""How the experiment of a plan is judged."""


def whole_rollouts(judged: Judged, *, full: bool) -> list[Trial]:
    """Every cell, each with a name of its own.

    Args:
        judged: How the experiment of a plan is judged.
        full: All; else those that take seconds.
    """
    standard = template("canary-standard")
    short = replace(standard, bake=replace(standard.bake, time="2h"))
    cells: list[tuple[str, RolloutPlan, Service, Change]] = [
        ("equal version, canary-standard with a bake of 2 h", short, Service(hours=16.0), Change()),
        ("quality -8 %, canary-standard", standard, Service(hours=8.0), Change(quality=0.92)),
    ]
    if full:
        cells += [
            ("equal version, canary-standard", standard, Service(hours=48.0), Change()),
            ("equal version, canary-standard, seasons and incidents", standard,
             Service(hours=48.0, season=0.05, incidents=8), Change()),
            ("equal version, canary-classic", template("canary-classic"), Service(hours=24.0), Change()),
            ("equal version, small-traffic at 0.1 requests a second", template("small-traffic"),
             Service(per_s=0.1, hours=168.0, loyal_users=1_000), Change()),
        ]  # fmt: skip
    return [
        WholeRollout(
            cell=f"whole rollout: {name}", plan=plan, judged=judged(plan), service=each, change=change
        )
        for name, plan, each, change in cells
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRollout:
    """Rollouts of one service by one plan, from their start to their end."""

    cell: str
    plan: RolloutPlan
    judged: Plan
    service: Service
    change: Change = field(default_factory=Change)

    def simulate(self, rng: np.random.Generator, replications: int) -> Outcome:
        """When each ended how, and when a plain test would have taken it back."""
        found: dict[str, list[float]] = {}
        for seed in rng.integers(2**63, size=replications).tolist():
            for name, value in _Run(self, seed).to_its_end().items():
                found.setdefault(name, []).append(value)
        return {name: np.array(values, np.float64) for name, values in found.items()}

    def judge(self, outcome: Outcome) -> list[Figure]:
        """A row for what must not happen, one for what should, and the test without a plan that must fail."""
        back, completed = (np.isfinite(outcome[name]) for name in ("rolled_back_h", "completed_h"))
        hours = self.service.hours
        if self.change != Change():
            return [
                errs(self.cell, "completed", completed),
                reaches(self.cell, f"rolled back within {hours:g} h", back, 0.9),
                median_of(self.cell, "hours until rolled back, median", outcome["rolled_back_h"], hours),
            ]
        plain = np.isfinite(outcome["plain_h"])
        return [
            errs(self.cell, "false rollback", back),
            reaches(self.cell, f"completed within {hours:g} h", completed),
            median_of(self.cell, "hours to completion, median", outcome["completed_h"], hours),
            Figure(self.cell, "p < .05 of any metric", float(plain.mean()), len(plain), 0.5, "control"),
        ]


class _Run:
    """One rollout: its service, and the row that the controller would have stored."""

    def __init__(self, trial: WholeRollout, seed: int) -> None:
        self._trial, self._seed = trial, seed
        self._begins: list[tuple[float, float]] = []
        """Share of the treatment, and from when on, in seconds."""
        self._prompt = PromptTraffic()
        self._row = _started(trial.plan)
        self._before: Readout | None = None
        self._serve(trial.plan.weight(0), 0.0)

    def to_its_end(self) -> dict[str, float]:
        """Hours until it completed, was rolled back, and would have been by a plain test; infinite: never."""
        ends = {"completed": inf, "rolled_back": inf, "plain": inf}
        at_s = last_s = 0.0
        while at_s < self._trial.service.hours * 3_600.0 and not self._row.rollout.is_terminal:
            spent_s = at_s - self._begins[-1][1]
            at_s += _TICK_S * ceil(min(max(_GROWTH * spent_s, _TICK_S), _LONGEST_S) / _TICK_S)
            self._see(last_s, at_s)
            decision = self._tick(at_s)
            last_s = at_s
            if not isfinite(ends["plain"]) and _is_plainly_worse(self._before):
                ends["plain"] = at_s / 3_600.0
            if decision is None or decision.act == "nothing":
                continue
            if decision.act == "set_weight":
                self._serve(decision.weight or 0.0, at_s)
                continue
            # Everybody gets the treatment, or nobody: there is nothing more to compare.
            ends["rolled_back" if decision.act == "stop" else "completed"] = at_s / 3_600.0
            break
        return {f"{name}_h": hours for name, hours in ends.items()}

    def _serve(self, share: float, from_s: float) -> None:
        """Draws the run anew with other weights from a moment on: until then it stays as it was."""
        self._begins.append((share, from_s))
        lengths = np.diff([begin for _, begin in self._begins]) / 3_600.0
        stages = tuple(
            (share, hours) for (share, _), hours in zip(self._begins, [*lengths.tolist(), inf], strict=True)
        )
        service, rng = replace(self._trial.service, stages=stages), np.random.default_rng(self._seed)
        self._requests = requests_of(service, self._trial.change, rng)
        self._sums = RunningSums(service, self._requests, rng)
        self._segments = RunningSegments(self._requests)
        weights = {
            epoch: dict(zip(ARMS, (share, 1.0 - share), strict=True))
            for epoch, (share, _) in enumerate(self._begins, 1)
        }
        self._judged = self._trial.judged.with_deployed(weights)

    def _tick(self, at_s: float) -> Decision | None:
        now, epoch = _START + timedelta(seconds=at_s), len(self._begins)
        sums = self._sums.until(at_s)
        if len(sums.epochs) == epoch:  # its first request has come
            sums = replace(sums, segments=self._segments.until(at_s))
            self._before = read_out(sums, self._judged, taken_at=now, before=self._before)
        rollout, latency = self._row.rollout, self._requests.values["latency_ms"]
        usual = Usual(
            requests_per_h=self._trial.service.per_s * 3_600.0,
            error_share=self._trial.service.errors,
            latency_ms=float(latency.mean()) if len(latency) else 0.0,
        )
        traffic = traffic_of(
            rollout, self._prompt, now=now, epoch=epoch, watermark=now, usual=usual, missing_metrics={},
            bucket_s=bucket_s(rollout.plan.min_time_s(rollout.stage)), served=frozenset(),
        )  # fmt: skip
        place = Place(revision=epoch, version=None, experiment=_ID, weight=self._begins[-1][0], epoch=epoch)
        inputs = Inputs(
            now=now, place=place, readout=_of_rollout(self._before), traffic=traffic, source_lag_s=0.0,
            longest_gap_s=_LONGEST_S,
        )  # fmt: skip
        self._row = watched(self._row, inputs)
        decision = decide(self._row, inputs)
        if decision is not None:
            revision = None if decision.act == "nothing" else epoch + 1
            given = Circumstances(revision=epoch, evidence={})
            row = row_after(self._row, decision, given, revision, now)
            holds = tuple(RolloutHold(name, each.text, each.since) for name, each in row.held.items())
            self._row = replace(row, rollout=replace(row.rollout, holds=holds))
        return decision

    def _see(self, from_s: float, to_s: float) -> None:
        """Adds the requests of a while, by minute and arm."""
        found = self._requests
        at = slice(*np.searchsorted(found.at_s, (from_s, to_s)))
        key = (found.at_s[at] // 60.0).astype(np.int64) * 2 + found.treated[at]
        keys, last, of_key = np.unique(key[::-1], return_index=True, return_inverse=True)
        of_key, last = of_key[::-1], len(key) - 1 - last
        errors, latency = (
            np.bincount(of_key, found.values[name][at], len(keys)) for name in ("errors", "latency_ms")
        )
        for place, (each, count) in enumerate(zip(keys.tolist(), np.bincount(of_key).tolist(), strict=False)):
            minute, treated = divmod(each, 2)
            self._prompt.add(
                Seen(
                    experiment=_ID,
                    epoch=len(self._begins),
                    arm=TREATMENT if treated else CONTROL,
                    version=_TREATMENT_VERSION if treated else _CONTROL_VERSION,
                    app="app",
                    client_version=None,
                    resolution="registry",
                    model="model",
                    minute=_START + timedelta(minutes=minute),
                    requests=count,
                    errors=int(errors[place]),
                    latency_ms=float(latency[place]),
                    last_at=_START + timedelta(seconds=float(found.at_s[at][last[place]])),
                )
            )
        self._prompt.forget(_START + timedelta(seconds=to_s - 2 * 3_600.0))


class RunningSegments:
    """Sums by declared segment, as the store would give them: times must be asked for in ascending order."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        arm = np.where(requests.treated, 0, 1)
        self._shape = (int(requests.stage.max(initial=0)) + 1, len(ARMS), UNIT_GROUPS)
        place = (requests.stage * len(ARMS) + arm) * UNIT_GROUPS + requests.group
        step, self._cells, self._sums = 1, {}, {}
        size = int(np.prod(self._shape))
        for key, values in SEGMENTS.items():
            self._cells[key] = place + requests.unit // step % len(values) * size
            self._sums[key] = np.zeros((1 + len(requests.values), len(values) * size))
            step *= len(values)
        self._seen = 0

    def until(self, at_s: float) -> SegmentSums:
        """The sums at this time."""
        high = int(np.searchsorted(self._requests.at_s, at_s, side="right"))
        new = slice(self._seen, high)
        self._seen = high
        tables = []
        for key, sums in self._sums.items():
            cells = self._cells[key][new]
            sums[0] += np.bincount(cells, minlength=sums.shape[1])
            for row, values in enumerate(self._requests.values.values(), 1):
                sums[row] += np.bincount(cells, values[new], sums.shape[1])
            tables.append(self._table(key, sums))
        return SegmentSums(pa.concat_tables(tables))

    def _table(self, key: str, sums: FloatArray) -> pa.Table:
        names = list(self._requests.values)
        there = np.flatnonzero(sums[0])
        segment, epoch, arm, group = np.unravel_index(there, (len(SEGMENTS[key]), *self._shape))
        many = len(names)
        return pa.table(
            {
                "segment_key": pa.repeat(pa.scalar(key), many * len(there)),
                "segment_value": _text(np.tile(segment, many), SEGMENTS[key]),
                "metric": _text(np.repeat(np.arange(many), len(there)), names),
                "epoch": np.tile(epoch + 1, many),
                "arm": _text(np.tile(arm, many), ARMS),
                "unit_group": np.tile(group, many),
                "sum_x": np.tile(sums[0, there], many),
                "sum_y": sums[1:, there].ravel(),
            }
        )


def _text(codes: IntArray, names: list[str] | tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names)).cast(pa.string())


def _started(plan: RolloutPlan) -> Row:
    rollout = Rollout(
        id=_ID, environment="prod", prompt="prompt", rule=None, treatment=_TREATMENT_VERSION,
        control=_CONTROL_VERSION, plan=plan, plan_digest=plan.digest(), template=plan.template,
        mode=plan.mode, state="running", reasons=(), stage=0, holds=(), row_version=1, revision=1,
        occupies=True, started_by="simulation", created_at=_START, started_at=_START, ended_at=None,
        retry_of=None, replaced_by=None, approvals=(), reason=None,
    )  # fmt: skip
    return Row(rollout=rollout, clock=StageClock(began_at=_START), commanded_at=_START)


def _of_rollout(readout: Readout | None) -> Readout | None:
    """A readout with the names that arms have in a rollout."""
    if readout is None:
        return None
    return replace(readout, arms=tuple(replace(arm, arm=TREATMENT) for arm in readout.arms))


def _is_plainly_worse(readout: Readout | None) -> bool:
    """True if a test that knows neither looks, metrics nor tolerances says that an acting metric is worse."""
    side: Mapping[str, float] = {"higher": -1.0, "lower": 1.0}
    return readout is not None and any(
        metric.role in ACTING
        and min(metric.units, metric.control_units) >= MIN_UNITS
        and metric.effect is not None
        and metric.standard_error is not None
        and side.get(metric.direction, 0.0) * metric.effect > _PLAIN_Z * metric.standard_error
        for metric in readout.arms[0].metrics
    )
