"""Runs suites by itself: of new versions, of what is served, and of models that answer or will end."""

import threading
from datetime import timedelta
from typing import Final

import structlog

from coalmine_alerts.reading.traffic import read_answered
from coalmine_alerts.rules.models import shipped_deprecations
from coalmine_evals.reruns.carry_out import Runner, new_batch
from coalmine_evals.reruns.due import Answering, due
from coalmine_registry.roles import Actor
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.workers.worker import Worker

LOOK_S: Final = 15.0
"""How often to look for what is due."""
CANARIES_S: Final = 1_800.0
"""How often to look for canary sets that were not scored today: one that fails is tried again after that."""
SOON: Final = timedelta(days=60)
"""A model that ends within this time is tried against what its provider proposes."""

_log = structlog.stdlib.get_logger("coalmine.evals")


def evals_worker(owned: OwnedStore) -> Worker:
    """Finds what is due, and runs it."""
    settings = owned.settings.evals
    evaluations = owned.evaluations
    every = timedelta(days=settings.rerun_every_days) if settings.rerun_every_days else None
    runner: Runner | None = None

    def tick(stop: threading.Event) -> float:
        nonlocal runner
        if not evaluations.has_keys:
            return LOOK_S
        if runner is None:
            runner = evaluations.runner()
        if settings.run_by_itself:
            found = due(
                evaluations.database,
                owned.known_registry,
                now=evaluations.clock(),
                every=every,
                answering=_answering(owned),
            )
            runner.jobs.ask(
                found, batch=new_batch(), actor=Actor.of_system().subject, now=evaluations.clock()
            )
        while not stop.is_set() and runner.run_next(stop):
            pass
        return LOOK_S

    return Worker("evaluations", tick, first_after_s=LOOK_S)


def canaries_worker(owned: OwnedStore) -> Worker:
    """Scores the canary sets of judges once a day."""
    evaluations = owned.evaluations

    def tick(stop: threading.Event) -> float:
        if not evaluations.has_keys:
            return CANARIES_S
        if said := evaluations.score_canaries(stop):
            _log.warning("canary sets were not scored", reasons=said)
        return CANARIES_S

    return Worker("canaries", tick, first_after_s=LOOK_S)


def _answering(owned: OwnedStore) -> list[Answering]:
    now = owned.evaluations.clock()
    ends = {each.model: each for each in shipped_deprecations() if each.ends <= (now + SOON).date()}
    found = []
    for each in read_answered(owned.store.reader(), now):
        end = ends.get(each.model)
        replacement = None if end is None else end.replacement
        found.append(Answering(each.key.prompt, each.key.version, each.model, replacement))
    return list(dict.fromkeys(found))
