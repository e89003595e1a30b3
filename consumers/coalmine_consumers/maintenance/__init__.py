"""Maintenance of a store in use: it stays small, sorted and consistent."""

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
from coalmine_consumers.maintenance.rebuild import Progress, rebuild

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
    "RetentionPolicy",
    "Rhythm",
    "SealPolicy",
    "rebuild",
]
