"""Looks at experiments in the background."""

import threading

import structlog

from coalmine_analytics.readout import Readouts
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.workers.worker import Worker

_log = structlog.stdlib.get_logger("coalmine.readouts")


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
