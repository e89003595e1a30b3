"""What of an event may leave the process: the service's hook sees all by which a person could be known."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from coalmine.mistakes import Mistakes
from coalmine_schemas.identifiers import unit_group

TextField: TypeAlias = str
"""What the hook is shown: a field of the event, or an entry of one, as in `segments.tier`; see `Redact`."""

Redact = Callable[[str, TextField], str | None]
"""Takes a text and which one it is; returns what may be kept of it, or None to drop it.

It is shown the texts of inputs, outputs and feedback where they are captured (`input_text`, `output_text`,
`comment`, `correction`, `rationale`), and always `unit_id`, `session_id`, `trace_id`, `error_type`, `scorer`,
the names `prompt`, `label`, `variant`, `experiment` and (of a score) `name`, each value of `segments`,
`metadata` and `request_parameters` (as `segments.tier`), and each key of these and of `metrics` (as
`segments`). The key of the Kafka message is made of what it returns. Called on the client's background
thread, one text at a time, so that a slow hook does not slow requests.
"""

Preset: TypeAlias = Literal["standard"]
"""Names of hooks that come with the client."""

_REQUIRED: Final = frozenset({"prompt", "name"})
"""What an event cannot do without; dropped, it reads `redacted`."""
_FIELDS: Final = (
    *("input_text", "output_text", "comment", "correction", "rationale"),
    *("unit_id", "session_id", "trace_id", "error_type", "scorer"),
    *("prompt", "label", "variant", "experiment", "name"),
)
_MAPS: Final = ("segments", "metadata", "request_parameters", "metrics")
_HASH_CHARS: Final = 32


def hashed_unit(key: str, unit_id: str) -> str:
    """Returns what a client with `unit_ids="hashed"` sends in place of an identifier of a unit or session."""
    return _hashed(key.encode("utf-8", "replace"), unit_id)


def _hashed(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "replace"), "sha256").hex()[:_HASH_CHARS]


class Redactor:
    """Applies the hook so that a text is kept only if the hook returned it, then hashes units and sessions.

    Args:
        hook: The service's hook; None keeps texts as they are.
        mistakes: Told when the hook fails, never with the text or the hook's message, which may quote it.
        unit_id_key: Secret that identifiers of units and sessions are hashed with; None sends them plainly.
        longest: Characters beyond which a text is dropped and not shown to the hook, where that would not
            make it short enough to be sent.
    """

    def __init__(
        self,
        hook: Redact | None,
        mistakes: Mistakes,
        *,
        unit_id_key: str | None = None,
        longest: int | None = None,
    ) -> None:
        self._hook = hook
        self._longest = longest
        self._mistakes = mistakes
        self._key = None if unit_id_key is None else unit_id_key.encode("utf-8", "replace")

    def apply(self, record: dict[str, Any]) -> None:
        """Replaces in an event's record what may not be sent as it is."""
        unit_id = record.get("unit_id")
        if self._hook is not None:
            # A call for itself has its own identifier for a unit, which says nothing about anybody.
            own = unit_id if unit_id == record.get("request_id") else None
            for field in _FIELDS:
                text = record.get(field)
                if text is None or (field == "unit_id" and text is own):
                    continue
                kept = self._kept(text, field)
                record[field] = "redacted" if not kept and field in _REQUIRED else kept
            for field in _MAPS:
                if record.get(field):
                    record[field] = self._kept_entries(record[field], field)
        if self._key is not None:
            for field in ("unit_id", "session_id"):
                if record.get(field) and record[field] != record["request_id"]:
                    record[field] = _hashed(self._key, record[field])
        if "unit_group" in record and record["unit_id"] != unit_id:
            record["unit_id"] = record["unit_id"] or record["request_id"]
            record["unit_group"] = unit_group(record["unit_id"])

    def _kept_entries(self, entries: Mapping[str, Any], field: str) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in entries.items():
            kept_name = self._kept(name, field)
            kept_value = self._kept(value, f"{field}.{name}") if isinstance(value, str) else value
            if kept_name and kept_value is not None:
                kept[kept_name] = kept_value
        return kept

    def _kept(self, text: str, field: TextField) -> str | None:
        """What may be kept of the text; None when the hook dropped it, raised, or returned no text."""
        if self._hook is None:
            return text
        if self._longest is not None and len(text) > self._longest:
            self._mistakes.counters.problem("text_too_long")
            self._mistakes.log.report(
                "text_too_long", "the texts of an event were dropped: too large for Kafka"
            )
            return None
        try:
            kept = self._hook(text, field)
        except BaseException as error:  # noqa: BLE001 - even SystemExit must not end the client's thread
            self._failed(field, type(error).__name__)
            return None
        if kept is None or isinstance(kept, str):
            return kept
        self._failed(field, f"it returned {type(kept).__name__}")
        return None

    def _failed(self, field: TextField, why: str) -> None:
        message = "the redaction hook failed on %s (%s); the text was dropped"
        self._mistakes.report("redaction_failed", "redaction", message, field.partition(".")[0], why)
