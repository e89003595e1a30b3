"""Decides about rollouts, looks at experiments and sums up hours for drift, in the background."""

import threading
import time
from collections.abc import Callable

import httpx2
import structlog

from coalmine_analytics.drift import Drifts
from coalmine_analytics.readout import Readouts
from coalmine_rollouts.controller import Controller
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.workers.worker import Worker

ROLLOUTS_EVERY_S = 5.0
"""Longest time between two ticks of rollouts; they also come after commits and commands."""
ROLLOUTS_AGAIN_S = 0.1
"""Until the next, after one that has decided something."""

_log = structlog.stdlib.get_logger("coalmine.analysis")


def rollouts_worker(controller: Controller, *, on_decided: Callable[[], None] = lambda: None) -> Worker:
    """Decides about rollouts: takes a look at each, then acts on it.

    Args:
        controller: Of rollouts.
        on_decided: Called after something was decided: people are told.
    """

    def tick(_stop: threading.Event) -> float:
        made = controller.tick()
        for decided in made:
            decision = decided.decision
            _log.info(
                "decided about a rollout",
                rollout=decision.rollout,
                kind=decision.kind,
                state=decision.to_state,
                stage=decision.to_stage,
                reasons=list(decision.reasons),
            )
        if made:
            on_decided()
        # One decision often makes the next possible: what was approved may start.
        return ROLLOUTS_AGAIN_S if made else ROLLOUTS_EVERY_S

    return Worker("rollouts", tick, again_after_s=ROLLOUTS_EVERY_S)


def readouts_worker(readouts: Readouts, every_s: float) -> Worker:
    """Takes looks that are due. A process that takes over continues from the stored looks."""

    def tick(_stop: threading.Event) -> float:
        for readout in readouts.take_due(_refused):
            for arm in readout.arms:
                _log.info(
                    "looked at an experiment",
                    experiment=readout.experiment,
                    arm=arm.arm,
                    decision=arm.decision,
                    why=arm.words,
                    requests=arm.requests,
                )
        return every_s

    return Worker("readouts", tick, first_after_s=every_s)


def _refused(experiment: str, error: InvalidParameter) -> None:
    _log.warning("the plan does not fit the experiment", experiment=experiment, reason=str(error))


PING_EVERY_S = 60.0
PING_TIMEOUT_S = 10.0


def ping_worker(url: str, rollouts: Worker) -> Worker:
    """Tells an alarm elsewhere that rollouts are decided about: it notices if this process is gone, too."""

    def tick(_stop: threading.Event) -> float:
        if time.monotonic() - rollouts.health().since <= PING_EVERY_S:
            httpx2.get(url, timeout=PING_TIMEOUT_S).raise_for_status()
        return PING_EVERY_S

    return Worker("rollouts-ping", tick)


FIRST_AFTER_S = 60.0
"""A server that has just started catches up soon, but not at once."""


def drift_worker(drifts: Drifts, every_s: float) -> Worker:
    """Sums up new hours: raw events expire, whether or not anybody asks about drift."""

    def tick(_stop: threading.Event) -> float:
        if keys := drifts.keep_up():
            _log.info("summed up hours", versions=len(keys))
        return every_s

    return Worker("drift", tick, first_after_s=min(FIRST_AFTER_S, every_s))
