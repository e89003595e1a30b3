"""Experiments in the store: sums per arm and unit group, units, and the looks that were taken."""

from coalmine_consumers.experiments.listing import allocations, experiments
from coalmine_consumers.experiments.looks import Look, append_look, last_look, look_at, looks
from coalmine_consumers.experiments.sums import UNIT_GROUPS, ExperimentSums, experiment_sums, units_since
from coalmine_consumers.experiments.version_sums import VersionPair, VersionSpan, VersionSums, version_sums

__all__ = [
    "UNIT_GROUPS",
    "ExperimentSums",
    "Look",
    "VersionPair",
    "VersionSpan",
    "VersionSums",
    "allocations",
    "append_look",
    "experiment_sums",
    "experiments",
    "last_look",
    "look_at",
    "looks",
    "units_since",
    "version_sums",
]
