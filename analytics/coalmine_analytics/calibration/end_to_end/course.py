"""One run of a service through the readouts of its experiment."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, inf

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.calibration.end_to_end.service import Change, Service, requests_of
from coalmine_analytics.calibration.end_to_end.sums import ARMS, RunningSums
from coalmine_analytics.readout import Plan, read_out
from coalmine_analytics.results.readout import Readout
from coalmine_analytics.results.verdicts import ACTING

LOOK_S = 30.0
"""Looks are this far apart, or a multiple of it: see `_next_look`."""
_FIRST_REQUESTS = 100
"""Before these, in a stage, no arm has the units that any test asks for."""
_GROWTH: tuple[tuple[float, float, float], ...] = ((0.05, 0.1, 0.01), (0.3, 0.3, 0.05), (inf, inf, 0.15))
"""Running p-values of harm and of acceptance up to which the next look is after this growth of the stage."""
_LONGEST_S = 3_600.0
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Course:
    """What was decided when: hours from the beginning, infinite if it never was."""

    promoted_h: float
    rolled_back_h: float
    canary_requests: int
    """At the last look."""
    looks: int


def course_of(
    service: Service,
    change: Change,
    plan: Plan,
    rng: np.random.Generator,
    *,
    until_decided: bool,
    every_look: bool = False,
) -> Course:
    """Simulate a run; a rollback ends it.

    Args:
        service: The service.
        change: How its new version differs.
        plan: Without control and weights, which the service knows.
        rng: Of this run.
        until_decided: A promotion ends it, too; else it is watched to the end.
        every_look: Leave none out.
    """
    requests = requests_of(service, change, rng)
    sums = RunningSums(service, requests, rng)
    weights = {
        epoch: dict(zip(ARMS, (share, 1.0 - share), strict=True))
        for epoch, (share, _) in enumerate(service.stages, 1)
    }
    plan = plan.with_deployed({1: weights[len(weights)]} if service.pooled else weights)
    looks = _Looks(service, requests.at_s, every=every_look)
    promoted_h, before = inf, None
    while (at_s := looks.next(before, promoted=promoted_h < inf)) is not None:
        before = read_out(sums.until(at_s), plan, taken_at=_START + timedelta(seconds=at_s), before=before)
        (arm,) = before.arms
        if arm.decision == "rollback":
            return Course(promoted_h, at_s / 3_600.0, arm.requests, looks.taken)
        if arm.decision == "promote" and promoted_h == inf:
            promoted_h = at_s / 3_600.0
            if until_decided:
                break
    return Course(promoted_h, inf, 0 if before is None else before.arms[0].requests, looks.taken)


class _Looks:
    """When to look: every 30 s, without those that can change nothing.

    No decision is near while all running p-values are far from it: evidence for harm of 3 must become a few
    hundred, which takes four standard errors while the stage grows by 15 %. So the next look is there; the
    nearer a decision, the sooner, down to a growth of 1 %, which the worker that takes looks waits for, too.
    """

    def __init__(self, service: Service, at_s: FloatArray, *, every: bool) -> None:
        self.taken = 0
        self._at_s, self._every = at_s, every
        self._starts, self._end_s = service.stage_starts(), service.hours * 3_600.0
        self._last_s = 0.0

    def next(self, before: Readout | None, *, promoted: bool) -> float | None:
        """The time of the next look; None after the end."""
        if self._last_s >= self._end_s:
            return None
        stage = int(np.searchsorted(self._starts, self._last_s, side="right"))
        at_s = self._last_s + LOOK_S
        if not self._every:
            first, seen = np.searchsorted(self._at_s, (self._starts[stage - 1], self._last_s))
            growth = 1.0 + _growth(before, promoted=promoted)
            wanted = int(first + max(_FIRST_REQUESTS, ceil((seen - first) * growth)))
            due = self._at_s[wanted] if wanted < len(self._at_s) else self._end_s
            if before is not None:  # feedback comes without requests, too
                due = min(due, self._last_s + _LONGEST_S)
            ends = [*self._starts, self._end_s][stage]
            at_s = max(at_s, LOOK_S * ceil(min(due, ends) / LOOK_S))
        self._last_s = min(at_s, self._end_s)
        self.taken += 1
        return self._last_s


def _growth(before: Readout | None, *, promoted: bool) -> float:
    harm, acceptable = 1.0, None
    if before is not None:
        (arm,) = before.arms
        known = [metric.evidence.harm for metric in arm.metrics if metric.role in ACTING]
        harm = min((p for p in known if p is not None), default=1.0)
        acceptable = None if promoted else arm.acceptable_p
    return next(
        growth
        for of_harm, of_acceptable, growth in _GROWTH
        if harm <= of_harm or (1.0 if acceptable is None else acceptable) <= of_acceptable
    )
