"""The size of a change, as people write it: `0.02` in a metric's unit, or `3%` of the control's value."""

import math
from dataclasses import dataclass
from typing import Self

from coalmine_schemas.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a change.

    Raises:
        InvalidParameter: It is negative or not finite.
    """

    value: float
    """>= 0."""
    relative: bool = False
    """True: a share of the control arm's value; False: in the metric's unit."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise _invalid(self.value)

    def __str__(self) -> str:
        return f"{self.value * 100:g}%" if self.relative else f"{self.value:g}"

    @classmethod
    def parse(cls, given: object) -> Self:
        """Reads a size.

        Args:
            given: A number in the metric's unit, or a text such as `3%` or `0.02`.

        Raises:
            InvalidParameter: It is none.
        """
        if isinstance(given, bool) or not isinstance(given, str | int | float):
            raise _invalid(given)
        text = str(given).strip()
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            raise _invalid(given) from None
        return cls(number / 100, relative=True) if text.endswith("%") else cls(number)


def _invalid(given: object) -> InvalidParameter:
    return InvalidParameter(
        f"{given!r:.40} is not the size of a change: "
        "write 0.02 in the metric's unit, or 3% of the control's value"
    )
