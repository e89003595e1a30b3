"""Scores production requests and fills the queues for review, in the background."""

import threading
from collections.abc import Sequence
from typing import Final

import structlog

from coalmine_server.services.production import Production
from coalmine_server.workers.worker import Worker

LOOK_S: Final = 5.0
"""How often to look for requests to score, or to ask people about."""

_log = structlog.stdlib.get_logger("coalmine.production")


def production_workers(production: Production) -> Sequence[Worker]:
    """The workers that the file of production calls for: none, without one."""

    def score(stop: threading.Event) -> float:
        if scored := production.continuous.tick(stop):
            _log.debug("scored requests", requests=scored)
        return LOOK_S

    def close() -> None:
        if "continuous" in production.__dict__:
            production.continuous.close()

    def queue(_stop: threading.Event) -> float:
        if queued := production.fill_queues():
            _log.debug("queued requests for review", requests=queued)
        return LOOK_S

    workers = []
    if production.plan.continuous.scores:
        workers.append(Worker("production-scores", score, again_after_s=LOOK_S, close=close))
    if production.plan.review:
        workers.append(Worker("production-reviews", queue, again_after_s=LOOK_S))
    return workers
