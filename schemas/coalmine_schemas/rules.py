"""Rules the values of an event must keep beyond its Avro types, as data.

`validate.py` checks them on Arrow columns; `first_problem` here checks one record. Both give the same
answers in the same words, and the first broken rule in the order below is the one reported.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from coalmine_schemas.events import EventName
from coalmine_schemas.identifiers import unit_group
from coalmine_schemas.limits import (
    AHEAD_US,
    EARLIEST_US,
    ID_CHARS,
    MAX_COST_NANO_USD,
    MAX_DURATION_MS,
    MAX_NUMBER,
    MAX_TOKENS,
    NAME_CHARS,
    NAMES_PER_EVENT,
    shortened,
)

UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
"""Text form of a UUID, hyphens required."""
MAX_INSTANT_US = 253_402_300_800_000_000
"""First instant that is too late, 10000-01-01 UTC, in microseconds: calendars in Python end there."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Length:
    """A text must have a number of characters in [least, most]."""

    field: str
    most: int = NAME_CHARS
    least: int = 0

    def problem(self, value: Any) -> str | None:  # noqa: ANN401 - whatever Avro decoded
        """What is wrong with a value that is not null; None if nothing."""
        if self.least <= len(value) <= self.most:
            return None
        return _length_problem(self.field, value, self.most) if value else f"{self.field} is empty"

    def fitted(self, value: str) -> str:
        """The value, shortened if it is too long."""
        return shortened(value, self.most)


def name(field: str) -> Length:
    """The rule of a name that must be there."""
    return Length(field, least=1)


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
        # An integer may have more digits than a float can hold.
        if isinstance(value, float) and not math.isfinite(value):
            return f"{self.field} is not finite: {value}"
        if value < self.low:
            return f"{self.field} is below {self.low:g}: {value}"
        if value > self.high:
            return f"{self.field} is above {self.high:g}: {value}"
        return None


@dataclass(frozen=True, slots=True)
class Instant:
    """A time must lie in the years 1970 to 9999 and, if it is an event's own, be plausible."""

    field: str
    plausible: bool = True

    @property
    def bounds_us(self) -> tuple[int, int]:
        """First and last instant allowed now, in microseconds since 1970."""
        if not self.plausible:
            return 0, MAX_INSTANT_US - 1
        return EARLIEST_US, time.time_ns() // 1000 + AHEAD_US

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        at_us = (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value
        earliest, latest = self.bounds_us
        if earliest <= at_us <= latest:
            return None
        if not 0 <= at_us < MAX_INSTANT_US:
            return f"{self.field} is outside the years 1970 to 9999: {at_us} microseconds"
        when = (_EPOCH + at_us * _MICROSECOND).isoformat()
        return f"{self.field} is {'before 2000' if at_us < earliest else 'more than a day ahead'}: {when}"


@dataclass(frozen=True, slots=True)
class Numbers:
    """A map must be short, its keys names, its numbers finite and of a magnitude one can calculate with."""

    field: str

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        for key, number in value.items():
            if not math.isfinite(number):
                return f"{self.field}[{shorten(key)}] is not finite: {number}"
            if not -MAX_NUMBER <= number <= MAX_NUMBER:
                return f"{self.field}[{shorten(key)}] is beyond {MAX_NUMBER:g}: {number}"
        return _keys_problem(self.field, value)

    def fitted(self, value: Mapping[str, float]) -> dict[str, float]:
        """The first entries, with shortened names, without numbers that are too large."""
        sound = [(key, number) for key, number in value.items() if abs(number) <= MAX_NUMBER]
        return {shortened(key, NAME_CHARS): number for key, number in sound[:NAMES_PER_EVENT]}


@dataclass(frozen=True, slots=True)
class Texts:
    """A map must be short, its keys names, its values not longer than identifiers."""

    field: str

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        for key, text in value.items():
            if len(text) > ID_CHARS:
                return _length_problem(f"{self.field}[{shorten(key)}]", text, ID_CHARS)
        return _keys_problem(self.field, value)

    def fitted(self, value: Mapping[str, str]) -> dict[str, str]:
        """The first entries, with shortened names and values."""
        first = list(value.items())[:NAMES_PER_EVENT]
        return {shortened(key, NAME_CHARS): shortened(text, ID_CHARS) for key, text in first}


@dataclass(frozen=True, slots=True)
class Items:
    """An array must be short, and every record of it keep rules of its own."""

    field: str
    rules: "tuple[Length | Number | Items, ...]"

    def problem(self, value: Any) -> str | None:  # noqa: ANN401
        """What is wrong with a value that is not null; None if nothing."""
        if len(value) > NAMES_PER_EVENT:
            return f"{self.field} has more than {NAMES_PER_EVENT} entries: {len(value)}"
        for index, item in enumerate(value):
            for rule in self.rules:
                value = item[rule.field]
                problem = None if value is None else rule.problem(value)
                if problem is not None:
                    return f"{self.field}[{index}].{problem}"
        return None


Rule = Length | Uuid | Number | Instant | Numbers | Texts | Items

_ARMS = Items("arms", (name("variant"), name("version"), Number("weight", 0)))

RULES: Mapping[EventName, tuple[Rule, ...]] = {
    "requests": (
        Uuid("request_id"),
        Instant("event_time"),
        name("app"),
        name("environment"),
        name("prompt"),
        name("version"),
        Length("label"),
        Length("variant"),
        Length("experiment"),
        Number("unit_group", 0, 255),
        Length("unit_id", ID_CHARS),
        Length("session_id", ID_CHARS),
        Length("trace_id", ID_CHARS),
        Length("parent_request_id", ID_CHARS),
        Length("provider"),
        Length("request_model"),
        Length("response_model"),
        Texts("request_parameters"),
        Length("service_tier"),
        Number("input_tokens", 0, MAX_TOKENS),
        Number("cached_input_tokens", 0, MAX_TOKENS),
        Number("cache_creation_input_tokens", 0, MAX_TOKENS),
        Number("cache_creation_5m_input_tokens", 0, MAX_TOKENS),
        Number("cache_creation_1h_input_tokens", 0, MAX_TOKENS),
        Number("audio_input_tokens", 0, MAX_TOKENS),
        Number("image_input_tokens", 0, MAX_TOKENS),
        Number("output_tokens", 0, MAX_TOKENS),
        Number("reasoning_output_tokens", 0, MAX_TOKENS),
        Number("audio_output_tokens", 0, MAX_TOKENS),
        Number("image_output_tokens", 0, MAX_TOKENS),
        Numbers("other_usage"),
        Number("cost_nano_usd", 0, MAX_COST_NANO_USD),
        Number("latency_ms", 0, MAX_DURATION_MS),
        Number("time_to_first_token_ms", 0, MAX_DURATION_MS),
        Length("finish_reason"),
        Length("error_type"),
        Numbers("metrics"),
        Texts("segments"),
        Length("client_version"),
    ),
    "feedback": (
        Uuid("feedback_id"),
        Uuid("request_id"),
        Instant("event_time"),
        name("app"),
        Number("rating", -MAX_NUMBER, MAX_NUMBER),
        Length("unit_id", ID_CHARS),
        Texts("metadata"),
    ),
    "scores": (
        Uuid("score_id"),
        Uuid("request_id"),
        Instant("event_time"),
        name("app"),
        name("name"),
        Number("value", -MAX_NUMBER, MAX_NUMBER),
        Length("scorer", ID_CHARS),
        Length("unit_id", ID_CHARS),
        Length("session_id", ID_CHARS),
        Length("prompt"),
    ),
    "deployments": (
        name("environment"),
        name("prompt"),
        Instant("event_time"),
        Number("revision", 0),
        Length("version"),
        Length("experiment"),
        _ARMS,
        name("action"),
        Length("changed_by"),
        Items("experiments", (name("name"), Length("rule"), _ARMS)),
        Length("rollout"),
    ),
    "rollout_transitions": (
        name("rollout"),
        Number("decision", 1),
        Instant("event_time"),
        name("environment"),
        name("prompt"),
        Length("rule"),
        name("treatment"),
        name("control"),
        name("kind"),
        Length("from_state"),
        name("state"),
        Number("from_stage", 0),
        Number("stage", 0),
        Numbers("weights"),
        Length("actor"),
        Number("revision", 0),
    ),
    "alerts": (
        name("fingerprint"),
        Instant("event_time"),
        name("rule"),
        Number("value"),
        Number("transition", 0),
        Number("firing", 0),
        Instant("fired_at", plausible=False),
        Instant("silenced_until", plausible=False),
        Length("actor"),
    ),
    "dead_letters": (
        Uuid("dead_letter_id"),
        Instant("event_time"),
        Instant("source_timestamp", plausible=False),
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


def fitted(event: EventName, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with names shortened and maps cut to what the rules allow, so that the event is not lost.

    What else is wrong with it, `first_problem` still finds.
    """
    changed = dict(record)
    for rule in RULES[event]:
        value = record[rule.field]
        if value is not None and isinstance(rule, Length | Numbers | Texts):
            changed[rule.field] = rule.fitted(value)
    if changed.get("unit_group") is not None:
        changed["unit_group"] = unit_group(changed["unit_id"])
    return changed


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


def _length_problem(field: str, value: str, most: int) -> str:
    return f"{field} is longer than {most} characters: {len(value)}"


def _keys_problem(field: str, value: Mapping[str, Any]) -> str | None:
    if len(value) > NAMES_PER_EVENT:
        return f"{field} has more than {NAMES_PER_EVENT} entries: {len(value)}"
    for key in value:
        if len(key) > NAME_CHARS:
            return _length_problem(f"a name in {field}", key, NAME_CHARS)
    return None
