"""Declared ranges of named values: of requests' metrics and of scores.

A mean is at the mercy of one absurd value. A name with a declared range has none: an event with a value
beyond it is a mistake of the service, and becomes a dead letter that says so.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Range(NamedTuple):
    """The least and the greatest value there may be."""

    low: float
    high: float

    def beyond(self, value: float) -> str | None:
        """Says that a value is outside the range, in words that follow its name; None if it is inside."""
        if self.low <= value <= self.high:
            return None
        return f"is {value:.15g}, beyond its range from {self.low:g} to {self.high:g}"


DEFAULT_RANGES: Mapping[str, Range] = MappingProxyType(
    dict.fromkeys(("quality", "schema_valid", "schema_invalid", "empty_answer"), Range(0.0, 1.0))
)
"""Ranges that hold where nothing else is declared.

Values of a name with a range count from the first on, which absolute limits need.
"""
