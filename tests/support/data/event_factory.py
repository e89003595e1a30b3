"""Events that a number determines: made fast, checked later without having been kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from coalmine_schemas.identifiers import unit_group

START_MS: Final = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp() * 1000)
"""Event time of event 0, unless said otherwise."""

_PROMPTS: Final = ("support-refund", "support-greeting", "search-summary", "code-review", "translate")
_MODELS: Final = (
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
)
_GROUPS: Final = {f"user-{user}": unit_group(f"user-{user}") for user in range(5000)}
_M64: Final = 2**64 - 1


def mix(number: int) -> int:
    """64 well-mixed bits of a number (splitmix64)."""
    number = (number + 0x9E3779B97F4A7C15) & _M64
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _M64
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _M64
    return number ^ (number >> 31)


def numbered_uuid7(number: int, time_ms: int, kind: int = 0) -> str:
    """The UUIDv7 of an event, as text."""
    low = mix(number * 4 + kind)
    high = (time_ms << 16) | 0x7000 | (low >> 52)
    return str(UUID(int=(high << 64) | (0b10 << 62) | (low & (2**62 - 1))))


@dataclass(frozen=True, slots=True)
class EventFactory:
    """Makes the events of one simulated producer."""

    seed: int = 0
    """Producers with different seeds (below 1000) make different events."""
    start_ms: int = START_MS
    per_s: int = 200
    """Requests a second, in event time."""

    def _number(self, index: int) -> int:
        return index * 1000 + self.seed

    def time_us(self, index: int) -> int:
        """Event time of a request."""
        return self.start_ms * 1000 + index * 1_000_000 // self.per_s

    def request_id(self, index: int) -> str:
        """Id of a request."""
        return numbered_uuid7(self._number(index), self.time_us(index) // 1000)

    def request(self, index: int) -> dict[str, Any]:
        """A `PromptRequest` record with every field that services usually fill."""
        bits = mix(self._number(index))
        user = f"user-{min(bits % 5000, (bits >> 13) % 5000)}"
        provider, request_model, response_model = _MODELS[(bits >> 26) % 3]
        input_tokens = 200 + (bits >> 28) % 3000
        output_tokens = 20 + (bits >> 40) % 600
        failed = (bits >> 50) % 97 == 0
        treated = _GROUPS[user] < 64
        return {
            "request_id": self.request_id(index),
            "event_time": self.time_us(index),
            "app": "support-bot" if bits & 4 else "search",
            "environment": "prod" if bits & 24 else "staging",
            "prompt": _PROMPTS[(bits >> 5) % 5],
            "version": "1.3.0" if treated else "1.2.0",
            "label": "latest",
            "variant": "treatment" if treated else "control",
            "experiment": "refund-tone",
            "allocation_epoch": 1 + index // 500_000,
            "unit_group": _GROUPS[user],
            "resolution": "live",
            "unit_id": user,
            "session_id": f"session-{bits % 100_000}",
            "trace_id": f"{bits:016x}{bits ^ 0xFFFF:016x}",
            "parent_request_id": None,
            "provider": provider,
            "request_model": request_model,
            "response_model": None if failed else response_model,
            "input_tokens": input_tokens,
            "cached_input_tokens": input_tokens // 3 if bits & 1 else 0,
            "output_tokens": None if failed else output_tokens,
            # One in eight services lets us do the pricing.
            "cost_nano_usd": None if failed or bits & 7 == 3 else input_tokens * 150 + output_tokens * 600,
            "latency_ms": 300.0 + (bits >> 30) % 4000 + 0.25,
            "time_to_first_token_ms": None if failed else 100.0 + (bits >> 20) % 500,
            "finish_reason": None if failed else "stop",
            "error_type": "timeout" if failed else None,
            "metrics": {"quality": ((bits >> 33) % 1000) / 1000, "sentences": float(1 + bits % 9)},
            "segments": {"tier": "enterprise" if bits & 32 else "free", "language": "en"},
            "client_version": "0.1.0",
        }

    def feedback(self, index: int) -> dict[str, Any]:
        """Feedback on request `index`, given a minute later."""
        bits = mix(self._number(index) + 1)
        time_us = self.time_us(index) + 60_000_000
        return {
            "feedback_id": numbered_uuid7(self._number(index), time_us // 1000, 1),
            "request_id": self.request_id(index),
            "event_time": time_us,
            "app": "support-bot",
            "thumbs": "up" if bits % 3 else "down",
            "rating": float(1 + bits % 5),
            "comment": "promised a refund" if bits % 11 == 0 else None,
            "metadata": {},
        }

    def score(self, index: int) -> dict[str, Any]:
        """A judge's score of request `index`, given two minutes later."""
        bits = mix(self._number(index) + 2)
        time_us = self.time_us(index) + 120_000_000
        return {
            "score_id": numbered_uuid7(self._number(index), time_us // 1000, 2),
            "request_id": self.request_id(index),
            "event_time": time_us,
            "app": "support-bot",
            "name": "quality",
            "value": (bits % 1001) / 1000,
            "source": "judge",
            "scorer": "gpt-4o",
        }


def aware(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its `event_time` as an aware datetime, as the event classes have it."""
    moment = datetime.fromtimestamp(record["event_time"] / 1_000_000, UTC)
    return {**record, "event_time": moment}
