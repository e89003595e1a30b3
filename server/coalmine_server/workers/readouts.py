"""Looks at experiments in the background."""

import threading

import structlog

from coalmine_analytics.readout import Readouts
from coalmine_schemas.errors import InvalidParameter

_log = structlog.stdlib.get_logger("coalmine.readouts")


def watch_experiments(readouts: Readouts, every_s: float, stop: threading.Event) -> None:
    """Takes looks until asked to stop. A process that takes over continues from the stored looks."""
    while not stop.wait(every_s):
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


def _refused(experiment: str, error: InvalidParameter) -> None:
    _log.warning("the plan does not fit the experiment", experiment=experiment, reason=str(error))
