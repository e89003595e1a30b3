"""Keeping a store small, sorted and in balance while it is in use."""

from coalmine_consumers.maintenance.housekeeping import (
    Housekeeping,
    HousekeepingHealth,
    Outcome,
    Rhythm,
)
from coalmine_consumers.maintenance.policy import (
    AgeingPolicy,
    CompactionPolicy,
    LedgerPolicy,
    MaintenancePolicy,
    MergePolicy,
    RetentionPolicy,
    SealPolicy,
)
from coalmine_consumers.maintenance.rebuild import Progress, Rebuilt, rebuild

__all__ = [
    "AgeingPolicy",
    "CompactionPolicy",
    "Housekeeping",
    "HousekeepingHealth",
    "LedgerPolicy",
    "MaintenancePolicy",
    "MergePolicy",
    "Outcome",
    "Progress",
    "Rebuilt",
    "RetentionPolicy",
    "Rhythm",
    "SealPolicy",
    "rebuild",
]
