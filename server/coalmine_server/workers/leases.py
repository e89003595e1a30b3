"""What several servers on one registry do once: who does it, and whom to ask otherwise."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from coalmine_registry.leases import RENEW_S, Lease, owner
from coalmine_registry.registry import Registry
from coalmine_schemas.errors import Transient
from coalmine_server.workers.worker import Worker

MEASURES: Final = "measures"
"""Lease of the one store: ingest, rollouts, alerts, evaluations, housekeeping."""
EVENTS: Final = "events"
"""Lease of who publishes the registry's events."""
LOOK_S: Final = 1.0
"""How often somebody who waits for a lease looks."""
CHANGES_S: Final = 0.3
"""How often to look whether another server has changed something."""

_log = structlog.stdlib.get_logger("coalmine.leases")


def lease_worker(name: str, lease: Lease, *, on_taken: Callable[[], None] = lambda: None) -> Worker:
    """Takes a lease when it is free, and renews it. While the database is away it tries again."""
    held = lease.acting

    def tick(_stop: threading.Event) -> float:
        nonlocal held
        try:
            now = lease.hold()
        except Transient:
            return LOOK_S  # what needs the registry says so itself
        if now and not held:
            on_taken()
        held = now
        return RENEW_S if now else LOOK_S

    return Worker(f"lease-{name}", tick)


def released(lease: Lease) -> None:
    """Lets another server take a lease over at once; it lapses where the database is away."""
    with suppress(Transient):
        lease.release()


def whom_to_ask(registry: Registry) -> str | None:
    """Returns the address of the server that has the measures; None if nobody says where it is."""
    try:
        found = owner(registry, MEASURES)
    except Transient:
        return None
    return None if found is None else found.url


class ChangesElsewhere:
    """Knows whether anything of the registry has changed, by whichever server, for answers that are kept."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.seen = 0
        """Grows with every change."""
        self._seen_at: int | None = None
        self.worker = Worker("registry-changes", self._look, again_after_s=LOOK_S)

    def _look(self, _stop: threading.Event) -> float:
        with suppress(Transient):
            version = self._registry.data_version()
            if version is None or version != self._seen_at:
                self.seen = self._registry.last_change()
                self._seen_at = version
        return CHANGES_S
