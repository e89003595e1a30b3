"""Semantic versions: their order, and the size of the bump from one to another."""

from collections.abc import Iterable
from typing import Final, Literal

from semver import Version

from coalmine_schemas.prompts import check_version

Step = Literal["none", "patch", "minor", "major"]
"""Size of a version bump."""

_SIZES: Final[dict[Step, int]] = {"none": 0, "patch": 1, "minor": 2, "major": 3}


def semantic_version(version: str) -> Version:
    """Parses a version, for comparison.

    Raises:
        InvalidPrompt: It is not a semantic version.
    """
    return Version.parse(check_version(version))


def newest_first(versions: Iterable[str]) -> list[str]:
    """Sorts versions by precedence: 1.10.0, 1.9.0, 1.9.0-rc.1."""
    return sorted(versions, key=semantic_version, reverse=True)


def without_build(version: str) -> str:
    """Returns the part that decides precedence: 1.0.0+a and 1.0.0+b rank alike."""
    return version.partition("+")[0]


def step_size(step: Step) -> int:
    """Returns a number that grows with the bump."""
    return _SIZES[step]


def largest(steps: Iterable[Step]) -> Step:
    """Returns the largest of several bumps; `none` without any."""
    return max(steps, key=step_size, default="none")


def step_between(previous: str, version: str) -> Step:
    """Returns the part of the version that grew. A release is a patch on top of its own prereleases."""
    before, after = semantic_version(previous), semantic_version(version)
    if after.major != before.major:
        return "major"
    if after.minor != before.minor:
        return "minor"
    return "patch"


def baseline(version: str, others: Iterable[str]) -> str | None:
    """Returns the version that a new one is compared with.

    It is the highest version that ranks below the new one. Prereleases promise nothing, so those of the
    new version's own release are skipped: 2.0.0-rc.2 and 2.0.0 are both compared with 1.9.0.

    Args:
        version: The new version.
        others: All other versions.

    Returns:
        None for a first version.
    """
    new = semantic_version(version)
    lower = [
        (parsed, other)
        for other in others
        if (parsed := semantic_version(other)) < new
        and not (parsed.prerelease and parsed.finalize_version() == new.finalize_version())
    ]
    return max(lower)[1] if lower else None
