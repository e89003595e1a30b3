"""What was read last, kept until it is worth reading again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

Value = TypeVar("Value")

SOON: Final = timedelta(seconds=5)
"""A store that grows all the time is not read again before."""
LATER: Final = timedelta(minutes=1)
"""What is about the last minutes changes without anything new."""


class Kept(Generic[Value]):
    """One answer; for one thread.

    Args:
        soon: Not read again before, whatever is new.
        later: Read again then, even if nothing is new.
    """

    def __init__(self, soon: timedelta = SOON, later: timedelta = LATER) -> None:
        self._soon, self._later = soon, later
        self._found: tuple[datetime, object, Value] | None = None

    def get(self, now: datetime, version: object, read: Callable[[], Value]) -> Value:
        """Returns the answer, read again if it is too old.

        Args:
            now: The time that it is about.
            version: Of what is read: the same version gives the same answer at the same time.
            read: Reads it.
        """
        if self._found is not None:
            at, seen, value = self._found
            age = now - at
            if timedelta(0) <= age < (self._later if seen == version else self._soon):
                return value
        value = read()
        self._found = (now, version, value)
        return value
