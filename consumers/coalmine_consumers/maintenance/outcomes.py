"""Late outcomes find the call they count for; while no other task moves or removes raw rows."""

from datetime import datetime

from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.store import Settled, Store


def settle_outcomes(store: Store, now: datetime) -> Settled:
    """Attributes open outcomes, some ten thousand at a time; see `store/outcomes.py`."""
    with turn(store):
        return store.settle_outcomes(now)
