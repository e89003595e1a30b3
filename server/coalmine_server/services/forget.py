"""Forgets users everywhere in a home: raw rows, dead letters, datasets, reasons of evaluations, alerts."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from coalmine_consumers.maintenance.forget import SHORTEST_SEARCHED, ForgottenRows, forget_units
from coalmine_consumers.results import Forgotten
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.services.wiring import maintenance_policy
from coalmine_server.settings import Settings


def forgotten(owned: OwnedStore, unit_ids: Sequence[str]) -> Forgotten:
    """Forgets users, and counts afterwards what is left of them.

    Args:
        owned: The store of this process; evaluations are in the same home.
        unit_ids: As stored: where services hash them, the hashes.
    """
    wanted = list(dict.fromkeys(unit_ids))
    policy = maintenance_policy(owned.settings.store, owned.settings.retention)
    at = owned.clock()
    done = forget_units(owned.store, wanted, policy.merge, at)
    cases = scores = 0
    if owned.settings.evals_database.is_file():
        cases, scores = _in_evaluations(owned, done)
    rows = done.rows
    if owned.settings.alerts_database.is_file():
        rows = {**rows, "alerts": _in_alerts(owned, done)}
    short = [each for each in wanted if len(each) < SHORTEST_SEARCHED]
    not_searched = [f"file {path}" for path in done.missing] + _beyond(owned.settings)
    if short:
        not_searched.append(f"dead letters, for identifiers of less than {SHORTEST_SEARCHED} characters")
    return Forgotten(
        at=at,
        units=[hashlib.sha256(each.encode()).hexdigest() for each in wanted],
        requests=len(done.request_ids),
        emptied=rows,
        files_rewritten=done.files,
        old_files_deleted_after=at + timedelta(seconds=policy.retention.file_grace_s),
        dataset_cases=cases,
        production_scores=scores,
        left=done.left,
        complete=not any(done.left.values()) and not done.missing,
        not_searched=not_searched,
    )


def _beyond(settings: Settings) -> list[str]:
    """Places that may still name somebody, of those that are there."""
    kafka = settings.kafka.bootstrap_servers is not None
    spool = settings.spool_dir.is_dir() and any(settings.spool_dir.iterdir())
    copies = [
        str(each)
        for name in ("backups", "exports", "snapshots", "restoring")
        if (settings.home / name).is_dir()
        for each in sorted((settings.home / name).iterdir())
    ]
    return [
        *(["events that Kafka keeps: forget again once they are read"] if kafka else []),
        *(["events that wait in the spool: forget again once they are read"] if spool else []),
        *([f"events that wait in {settings.spark.dir}: forget again then"] if settings.spark.dir else []),
        *(["answers that runs of evaluations keep"] if settings.evals_database.is_file() else []),
        *([str(settings.evals_cache)] if settings.evals_cache.is_file() else []),
        *copies,
        "backups, exports, logs of services, and messages that alerts have sent",
        "segments, names and metrics of calls",
    ]


def _in_alerts(owned: OwnedStore, done: ForgottenRows) -> int:
    from coalmine_alerts.storage.forget import forget_requests  # noqa: PLC0415 - SQLAlchemy

    return forget_requests(owned.alerts.database, done.all_request_ids)


def _in_evaluations(owned: OwnedStore, done: ForgottenRows) -> tuple[int, int]:
    from coalmine_evals.continuous.storage import forget_scores  # noqa: PLC0415 - SQLAlchemy
    from coalmine_evals.datasets.storage import forget_requests  # noqa: PLC0415

    database = owned.evaluations.database
    cases = forget_requests(database, done.all_request_ids)
    return cases, forget_scores(database, done.request_ids)
