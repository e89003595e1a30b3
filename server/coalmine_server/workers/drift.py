"""Sums up new hours in the background, for drift."""

import threading

import structlog

from coalmine_analytics.drift import Drifts

FIRST_AFTER_S = 60.0
"""A server that has just started catches up soon, but not at once."""

_log = structlog.stdlib.get_logger("coalmine.drift")


def keep_hours(drifts: Drifts, every_s: float, stop: threading.Event) -> None:
    """Sums new hours up until asked to stop: raw events expire, whether or not anybody asked for drift."""
    wait_s = min(FIRST_AFTER_S, every_s)
    while not stop.wait(wait_s):
        if keys := drifts.keep_up():
            _log.info("summed up hours", versions=len(keys))
        wait_s = every_s
