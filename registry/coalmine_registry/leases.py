"""Leases: of several servers on one registry, one at a time does what must not be done twice.

No clocks are compared. A holder makes its lease's beat grow; who wants it takes it over once the beat has not
grown for as long as a lease lasts, by its own monotonic clock, if it could look all the time: when a database
comes back, its holder goes on. A holder that could not renew in that time knows, by its own clock, that
somebody else may hold it by now. Each takeover makes the generation grow, which a transaction can check
(`Lease.check`): what a holder that slept meanwhile has begun is refused.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, select

from coalmine_registry.errors import LeaseLost
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.registry import Registry
from coalmine_registry.storage.tables import leases
from coalmine_schemas.errors import Transient

LASTS_S: Final = 15.0
"""After this long without a renewal another server takes over."""
RENEW_S: Final = 3.0
"""How often a lease is renewed."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease."""

    name: str
    """Of the holder: the store, or the process."""
    url: str | None
    """Where it can be asked, as it says itself."""


class Lease:
    """One lease, as one contender for it sees it. Thread-safe."""

    def __init__(
        self,
        registry: Registry,
        name: str,
        holder: Holder,
        *,
        lasts_s: float = LASTS_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Holds nothing yet.

        Args:
            registry: In whose database it is.
            name: Of the lease.
            holder: This contender. One of the same name takes over at once: whoever can call itself so knows
                that the one before is gone, as by the lock of a store.
            lasts_s: Seconds without a renewal after which others take over; the same for all contenders.
            clock: Monotonic seconds.
        """
        self._registry = registry
        self._name = name
        self._holder = holder
        self._lasts_s = lasts_s
        self._clock = clock
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._renewed_at = 0.0
        self._failed_at: float | None = None
        self._is_wanted = False
        self._seen: tuple[object, ...] = ()
        self._seen_at = self._looked_at = 0.0
        self.lost_to: Holder | None = None
        """Who took it from us; it is not asked for again."""

    @property
    def acting(self) -> bool:
        """True while this contender holds it, as far as it can know: do what must not be done twice.

        While the database is away nobody can take it over: then a holder whom nobody waits for goes on.
        """
        with self._lock:
            if self._generation is None:
                return False
            now = self._clock()
            if now - self._renewed_at < self._lasts_s:
                return True
            tried = self._failed_at is not None and now - self._failed_at < self._lasts_s
            return tried and not self._is_wanted

    def hold(self) -> bool:
        """Takes, or renews it. Returns True if it is ours now; else `owner` may say whose it is.

        One thread does so, again and again.

        Raises:
            Transient: The database does not respond.
        """
        if self.lost_to is not None:
            return False
        asked_at = self._clock()
        try:
            generation, wanted = self._registry.transact(lambda tx: self._hold(tx, asked_at))
        except Transient:
            self._failed_at = asked_at
            raise
        with self._lock:
            before, self._generation = self._generation, generation
            if generation is not None:
                self._renewed_at, self._failed_at, self._is_wanted = asked_at, None, wanted
        if generation is None and before is not None:
            self.lost_to = owner(self._registry, self._name) or Holder("another server", None)
        return generation is not None

    def release(self) -> None:
        """Lets the next one have it at once.

        Raises:
            Transient: The database does not respond: it lapses.
        """
        with self._lock:
            generation, self._generation = self._generation, None
        if generation is not None:
            ours = (leases.c.name == self._name) & (leases.c.generation == generation)
            # The row stays, and with it the generation.
            self._registry.transact(lambda tx: tx.update(leases, ours, {"holder": None, "url": None}))

    def check(self, transaction: Transaction) -> None:
        """Refuses to go on with a transaction if the lease is another's.

        Raises:
            LeaseLost: It is.
        """
        row = transaction.one(select(leases.c.generation).where(leases.c.name == self._name))
        if row is None or self._generation is None or row.generation != self._generation:
            raise LeaseLost(f"another server holds the lease {self._name} by now: nothing was changed")

    def _hold(self, tx: Transaction, now: float) -> tuple[int | None, bool]:
        own = {"holder": self._holder.name, "url": self._holder.url, "waiting": None}
        row = tx.one(select(leases).where(leases.c.name == self._name))
        if row is None:
            tx.insert(leases, {"name": self._name, "generation": 1, "beat": 0, **own})
            return 1, False
        ours = self._generation is not None
        if ours and row.generation != self._generation:
            return None, False
        if ours or row.holder is None or row.holder == self._holder.name or self._has_lapsed(row, now):
            generation = int(row.generation) + (0 if ours else 1)
            tx.update(
                leases,
                leases.c.name == self._name,
                {"generation": generation, "beat": row.beat + 1, **own},
            )
            return generation, row.waiting is not None
        tx.update(leases, leases.c.name == self._name, {"waiting": self._holder.name})
        return None, False

    def _has_lapsed(self, row: Row[Any], now: float) -> bool:
        seen = (row.holder, row.generation, row.beat)
        # Who could not look does not know whether it was renewed, or could not be.
        if seen != self._seen or now - self._looked_at > self._lasts_s / 2:
            self._seen, self._seen_at = seen, now
        self._looked_at = now
        return now - self._seen_at >= self._lasts_s


def owner(registry: Registry, name: str) -> Holder | None:
    """Returns who holds a lease, or held it last; None if nobody ever did, or it was released.

    Raises:
        Transient: The database does not respond.
    """
    row = registry.read(lambda tx: tx.one(select(leases).where(leases.c.name == name)))
    return None if row is None or row.holder is None else Holder(row.holder, row.url)
