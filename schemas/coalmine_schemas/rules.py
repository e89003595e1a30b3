"""Rules the values of an event must keep beyond its Avro types, as data.

`validate.py` checks them on Arrow columns; `first_problem` here checks one record. Both give the same
answers in the same words, and the first broken rule in the order below is the one reported.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coalmine_schemas.events import EventName

UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
"""Text form of a UUID, hyphens required."""
MAX_INSTANT_US = 253_402_300_800_000_000
"""First instant that is too late, 10000-01-01 UTC, in microseconds: calendars in Python end there."""


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A text must have a character."""

    field: str

    def problem(self, value: Any) -> str | None:  # noqa: ANN401 - whatever Avro decoded
        """What is wrong with a value that is not null; None if nothing."""
        return f"{self.field} is empty" if value == "" else None


@dataclass(frozen=True, slots=True)
class Uuid:
    """A text must be a UUID."""

    field: str

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        return None if UUID_PATTERN.fullmatch(value) else f"{self.field} is not a UUID: {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number must be finite and lie in [low, high]."""

    field: str
    low: float = -math.inf
    high: float = math.inf

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        if not math.isfinite(value):
            return f"{self.field} is not finite: {value}"
        if value < self.low:
            return f"{self.field} is below {self.low:g}: {value}"
        if value > self.high:
            return f"{self.field} is above {self.high:g}: {value}"
        return None


@dataclass(frozen=True, slots=True)
class Instant:
    """A time must lie in the years 1970 to 9999."""

    field: str

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        if isinstance(value, datetime) or 0 <= value < MAX_INSTANT_US:
            return None
        return f"{self.field} is outside the years 1970 to 9999: {value} microseconds"


@dataclass(frozen=True, slots=True)
class FiniteMap:
    """Every number of a map must be finite."""

    field: str

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        for key, number in value.items():
            if not math.isfinite(number):
                return f"{self.field}[{shorten(key)}] is not finite: {number}"
        return None


@dataclass(frozen=True, slots=True)
class Items:
    """Every record of an array must keep rules of its own."""

    field: str
    rules: "tuple[NotEmpty | Number, ...]"

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        for index, item in enumerate(value):
            for rule in self.rules:
                problem = rule.problem(item[rule.field])
                if problem is not None:
                    return f"{self.field}[{index}].{problem}"
        return None


Rule = NotEmpty | Uuid | Number | Instant | FiniteMap | Items

RULES: Mapping[EventName, tuple[Rule, ...]] = {
    "requests": (
        Uuid("request_id"),
        Instant("event_time"),
        NotEmpty("app"),
        NotEmpty("environment"),
        NotEmpty("prompt"),
        NotEmpty("version"),
        Number("unit_group", 0, 255),
        Number("input_tokens", 0),
        Number("cached_input_tokens", 0),
        Number("cache_creation_input_tokens", 0),
        Number("cache_creation_5m_input_tokens", 0),
        Number("cache_creation_1h_input_tokens", 0),
        Number("audio_input_tokens", 0),
        Number("image_input_tokens", 0),
        Number("output_tokens", 0),
        Number("reasoning_output_tokens", 0),
        Number("audio_output_tokens", 0),
        Number("image_output_tokens", 0),
        FiniteMap("other_usage"),
        Number("cost_nano_usd", 0),
        Number("latency_ms", 0),
        Number("time_to_first_token_ms", 0),
        FiniteMap("metrics"),
    ),
    "feedback": (
        Uuid("feedback_id"),
        Uuid("request_id"),
        Instant("event_time"),
        NotEmpty("app"),
        Number("rating"),
    ),
    "scores": (
        Uuid("score_id"),
        Uuid("request_id"),
        Instant("event_time"),
        NotEmpty("app"),
        NotEmpty("name"),
        Number("value"),
    ),
    "deployments": (
        NotEmpty("environment"),
        NotEmpty("prompt"),
        Instant("event_time"),
        Number("revision", 0),
        Items("arms", (NotEmpty("variant"), NotEmpty("version"), Number("weight", 0))),
        NotEmpty("action"),
    ),
    "alerts": (
        NotEmpty("fingerprint"),
        Instant("event_time"),
        NotEmpty("rule"),
        Number("value"),
    ),
    "dead_letters": (
        Uuid("dead_letter_id"),
        Instant("event_time"),
        Instant("source_timestamp"),
    ),
}
"""What each event's values must keep."""


def first_problem(event: EventName, record: Mapping[str, Any]) -> str | None:
    """The first rule a decoded record breaks, in words; None if it keeps them all.

    Args:
        event: Which event the record is.
        record: As fastavro decodes it; times as aware datetimes or as microseconds.
    """
    return next(_problems(event, record), None)


def shorten(text: str) -> str:
    """A text as it may stand in a reason: quoted, and not long."""
    return repr(text if len(text) <= 64 else f"{text[:64]}...")


def _problems(event: EventName, record: Mapping[str, Any]) -> Iterator[str]:
    for rule in RULES[event]:
        value = record[rule.field]
        if value is not None:
            problem = rule.problem(value)
            if problem is not None:
                yield problem
