"""Clients that are still open when the process ends."""

import atexit
from typing import Final
from weakref import WeakKeyDictionary

from coalmine.pipeline import Pipeline

_OPEN: Final[WeakKeyDictionary[Pipeline, float]] = WeakKeyDictionary()


def close_at_exit(pipeline: Pipeline, timeout_s: float) -> None:
    """Has the pipeline closed when the process ends, within `timeout_s`.

    Not when it is ended by a signal that nobody handles; a service that is stopped by SIGTERM without a
    handler loses what it made in the last moment.
    """
    _OPEN[pipeline] = timeout_s


def _close_all() -> None:
    open_ones = dict(_OPEN)
    for pipeline, timeout_s in open_ones.items():
        pipeline.close_soon(timeout_s)
    for pipeline, timeout_s in open_ones.items():
        pipeline.close(timeout_s)


atexit.register(_close_all)
