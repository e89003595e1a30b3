"""Sums up new hours in the background, for drift."""

import threading

import structlog

from coalmine_analytics.drift import Drifts
from coalmine_server.workers.worker import Worker

FIRST_AFTER_S = 60.0
"""A server that has just started catches up soon, but not at once."""

_log = structlog.stdlib.get_logger("coalmine.drift")


def drift_worker(drifts: Drifts, every_s: float) -> Worker:
    """Sums up new hours: raw events expire, whether or not anybody asks about drift."""

    def tick(_stop: threading.Event) -> float:
        if keys := drifts.keep_up():
            _log.info("summed up hours", versions=len(keys))
        return every_s

    return Worker("drift", tick, first_after_s=min(FIRST_AFTER_S, every_s))
