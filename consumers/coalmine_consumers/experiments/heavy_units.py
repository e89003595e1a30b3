"""Units that are behind much of an arm's traffic: one user's robot, not its users."""

from dataclasses import dataclass

from coalmine_consumers.sql import Source, statement

LEAST_SHARE = 0.05
"""Of an arm's requests; units with less are not named."""


@dataclass(frozen=True, slots=True)
class HeavyUnit:
    """A unit with a large share of an arm's requests."""

    arm: str
    unit_id: str
    unit_group: int
    """Its group, 0 to 255, as in the sums."""
    requests: int
    share: float
    """Of the arm's requests in all epochs, 0 to 1."""


def heavy_units(source: Source, experiment: str, limit: int = 10) -> list[HeavyUnit]:
    """Units with more than a twentieth of their arm's requests, the heaviest first.

    Args:
        source: Where to read.
        experiment: Its name.
        limit: Maximum number.
    """
    parameters = {"experiment": experiment, "share": LEAST_SHARE, "limit": limit}
    return [HeavyUnit(**row) for row in source.rows(statement("heavy_units", __package__), parameters)]
