"""Maintenance with nothing left to do."""

from datetime import datetime

from coalmine_consumers.maintenance import Housekeeping, MaintenancePolicy, Outcome, Rhythm
from coalmine_consumers.store import Store

AT_ONCE = Rhythm(0, 0, 0, 0, 0, 0, 0, 0, overtaken=0, failed=0, look=0.001)
"""Every task is due whenever it is looked at."""


def settle(keeper: Housekeeping, now: datetime, most_rounds: int = 1_000) -> list[Outcome]:
    """Runs every due task until none has anything left to do."""
    outcomes: list[Outcome] = []
    for _ in range(most_rounds):
        done = keeper.tick(now)
        outcomes += done
        if not any(each.did for each in done):
            return outcomes
    raise AssertionError(f"still something to do after {most_rounds} rounds")


def settled(store: Store, policy: MaintenancePolicy, now: datetime) -> list[Outcome]:
    """Runs every task of a policy until none has anything left to do."""
    return settle(Housekeeping(store, policy, AT_ONCE), now)
