"""Experiments in the store: sums per arm and unit group, units, and the looks that were taken."""

from coalmine_consumers.experiments.group_sums import (
    MOST_GROUPS,
    GroupQuestion,
    GroupSums,
    group_sums,
    segment_keys,
)
from coalmine_consumers.experiments.listing import (
    allocations,
    deployment_changes,
    experiments,
    last_batch,
)
from coalmine_consumers.experiments.looks import Look, append_look, last_look, look_at, looks
from coalmine_consumers.experiments.overlap import Periods, VersionSpan, side_by_side
from coalmine_consumers.experiments.prompt_traffic import PromptTraffic, prompt_traffic
from coalmine_consumers.experiments.segment_sums import SegmentSums, segment_sums
from coalmine_consumers.experiments.sums import (
    UNIT_GROUPS,
    ExperimentSums,
    HeavyUnit,
    different_units,
    experiment_sums,
    is_maturing,
    units_since,
)
from coalmine_consumers.experiments.version_sums import VersionPair, VersionSums, version_sums

__all__ = [
    "MOST_GROUPS",
    "UNIT_GROUPS",
    "ExperimentSums",
    "GroupQuestion",
    "GroupSums",
    "HeavyUnit",
    "Look",
    "Periods",
    "PromptTraffic",
    "SegmentSums",
    "VersionPair",
    "VersionSpan",
    "VersionSums",
    "allocations",
    "append_look",
    "deployment_changes",
    "different_units",
    "experiment_sums",
    "experiments",
    "group_sums",
    "is_maturing",
    "last_batch",
    "last_look",
    "look_at",
    "looks",
    "prompt_traffic",
    "segment_keys",
    "segment_sums",
    "side_by_side",
    "units_since",
    "version_sums",
]
