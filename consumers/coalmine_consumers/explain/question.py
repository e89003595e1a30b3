"""Which requests a change is between, and in which metric."""

from dataclasses import dataclass
from datetime import datetime

from coalmine_schemas.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a change. None leaves a property open."""

    version: str | None = None
    since: datetime | None = None
    """Calls that began at or after this."""
    until: datetime | None = None
    """Calls that began before this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Why b differs from a.

    Raises:
        InvalidParameter: A request could lie on both sides, or one side is empty by construction.
    """

    prompt: str
    cells: str
    """The metric, as experiment cells name it."""
    a: Side
    """The side to compare with: the time before, or the other version."""
    b: Side
    environment: str | None = None
    segments: tuple[str, ...] | None = None
    """Segments that traffic is told apart by; None: those whose mix moved most."""

    def __post_init__(self) -> None:
        for side in (self.a, self.b):
            if side.since is not None and side.until is not None and side.since >= side.until:
                raise InvalidParameter(f"{side.since} to {side.until} is not a period: swap the two times")
        if self.of_versions:
            return
        if not _precedes(self.a, self.b) and not _precedes(self.b, self.a):
            raise InvalidParameter("the two periods overlap: a request may lie in one of them only")

    @property
    def of_versions(self) -> bool:
        """True if the sides are two versions, else they are two periods."""
        return self.a.version is not None and self.b.version is not None and self.a.version != self.b.version


def _precedes(first: Side, second: Side) -> bool:
    return first.until is not None and second.since is not None and first.until <= second.since
