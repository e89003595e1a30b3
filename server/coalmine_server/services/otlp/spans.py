"""Spans as both encodings of OTLP give them, and how much of one is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_SPANS: Final = 10_000
"""Spans of one body; exporters send 512 at a time, collectors 8,192."""
MAX_SPAN_BYTES: Final = 2 * 1024 * 1024
"""Of one span: twice the largest event, whose texts would be dropped anyway."""
MAX_ATTRIBUTES: Final = 1_000
"""Attributes of a span or of one of its events, and events of a span, that are read. SDKs keep 128."""

Value = str | bool | int | float | Sequence["Value"] | Mapping[str, "Value"] | None
"""Value of an attribute; bytes and whatever else there is are None."""


class Unreadable(Exception):
    """The body is not what its content type says. Sending it again gives the same.

    Args:
        detail: What is wrong with it, and the remedy.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class TooManySpans(Exception):
    """The body is larger, once decompressed, or has more spans than is read.

    Args:
        detail: What is too large, and the remedy.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span."""

    name: str
    time_ns: int
    """Nanoseconds since 1970 UTC; 0 where not said."""
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """One operation of a traced service."""

    trace_id: str
    """32 hexadecimal digits in lower case."""
    span_id: str
    """16 hexadecimal digits in lower case."""
    start_ns: int
    """Nanoseconds since 1970 UTC; 0 where not said."""
    end_ns: int
    name: str = ""
    failed: bool = False
    """True if its status is an error."""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    events: Sequence[SpanEvent] = ()
    resource: Mapping[str, Value] = field(default_factory=dict)
    """What is said of the service that made it."""
    scope: str = ""
    """The instrumentation that made it."""


class BadSpan(Exception):
    """One span cannot be used; the others can.

    Args:
        reason: What is wrong with it, and the remedy.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def too_many() -> TooManySpans:
    """The error for a body with more spans than are read."""
    return TooManySpans(f"a body has at most {MAX_SPANS:,} spans: set a smaller batch size in the exporter")


def too_long(size: int) -> BadSpan:
    """The error for a span that is too large."""
    return BadSpan(f"a span of {size:,} bytes is too large: at most {MAX_SPAN_BYTES:,} are read")
