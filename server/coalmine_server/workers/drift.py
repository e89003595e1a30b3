"""Drift in the server: the plan from the settings, and the job that sums new hours up."""

import threading

import structlog

from coalmine_analytics.drift import DriftPlan, Drifts
from coalmine_consumers.drift import ReferencePolicy
from coalmine_consumers.store import Store
from coalmine_server.settings import Settings
from coalmine_server.workers.readouts import plans_of

FIRST_AFTER_S = 60.0
"""A server that has just started catches up soon, but not at once."""

_log = structlog.stdlib.get_logger("coalmine.drift")


def make_drifts(store: Store, settings: Settings) -> Drifts:
    """Drift of the versions in a store, judged as the settings say."""
    own = settings.drift
    plan = DriftPlan(
        reference=ReferencePolicy(days=own.reference_days, min_requests=own.reference_requests),
        false_alarm_days=own.false_alarm_days,
        tolerance=own.tolerance,
        overrides=plans_of(settings.readout).default.overrides,
    )
    return Drifts(store, plan)


def keep_hours(drifts: Drifts, every_s: float, stop: threading.Event) -> None:
    """Sums new hours up until asked to stop: raw events expire, whether or not anybody asked for drift."""
    wait_s = min(FIRST_AFTER_S, every_s)
    while not stop.wait(wait_s):
        if keys := drifts.keep_up():
            _log.info("summed up hours", versions=len(keys))
        wait_s = every_s
