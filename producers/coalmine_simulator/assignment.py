"""Which version a unit gets: the latest release, and a hash of the unit within it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coalmine_simulator.profiles import Arm, Release

__all__ = ["assign", "release_at", "unit_interval"]


def release_at(releases: tuple[Release, ...], at_s: float) -> Release:
    """The release in force at a moment; the first one starts at 0."""
    current = releases[0]
    for release in releases:
        if release.at_s > at_s:
            break
        current = release
    return current


def assign(release: Release, unit_id: str) -> Arm:
    """The arm of a unit: the same for as long as weights only grow from the first arm on."""
    if len(release.arms) == 1:
        return release.arms[0]
    place = unit_interval(release.experiment or "", unit_id) * sum(arm.weight for arm in release.arms)
    end = 0.0
    for arm in release.arms:
        end += arm.weight
        if place < end:
            return arm
    return release.arms[-1]


def unit_interval(salt: str, unit_id: str) -> float:
    """A number in [0, 1) that belongs to a unit under a salt and to nothing else."""
    digest = hashlib.sha256(f"{salt}\x00{unit_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
