"""Days as people write them: `2026-12-24`, or `2026-12-31/2027-01-02` with both ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from coalmine_schemas.errors import InvalidParameter

LONGEST_DAYS = 366
"""A year is no exception, and a typing error in it is likelier."""


@dataclass(frozen=True, slots=True)
class Days:
    """Days that follow on each other, both ends included.

    Raises:
        InvalidParameter: They end before they begin, or are more than a year.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if not 0 <= (self.last - self.first).days < LONGEST_DAYS:
            raise _invalid(str(self))

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}/{self.last}"

    def __iter__(self) -> Iterator[date]:
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)

    @classmethod
    def parse(cls, given: object) -> Self:
        """Reads days.

        Args:
            given: A text such as `2026-12-24` or `2026-12-31/2027-01-02`, or a date.

        Raises:
            InvalidParameter: It is neither.
        """
        first, both, last = str(given).strip().partition("/")
        try:
            begin = date.fromisoformat(first)
            return cls(begin, date.fromisoformat(last) if both else begin)
        except ValueError:
            raise _invalid(given) from None


def _invalid(given: object) -> InvalidParameter:
    return InvalidParameter(
        f"{given!r:.60} is no day: write 2026-12-24, or 2026-12-31/2027-01-02 for the first and the last "
        f"of at most {LONGEST_DAYS} days"
    )
