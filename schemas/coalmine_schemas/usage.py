"""What a call used, counted in the units that providers bill."""

from collections.abc import Mapping
from typing import Any, Final

USAGE_KEYS: Final[Mapping[str, str]] = {
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cache_creation_5m_input_tokens": "cache_write_5m_tokens",
    "cache_creation_1h_input_tokens": "cache_write_1h_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "image_input_tokens": "input_image_tokens",
    "output_tokens": "output_tokens",
    "reasoning_output_tokens": "output_reasoning_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "image_output_tokens": "output_image_tokens",
}
"""Field of a `PromptRequest` to genai-prices' name of the same count; other names go to `other_usage`."""

_FIELDS: Final = {key: field for field, key in USAGE_KEYS.items()}

Usage = Mapping[str, int | float]
"""Counts by genai-prices' names. A count that contains others, like `input_tokens`, includes them."""


def usage_of(record: Mapping[str, Any]) -> dict[str, int | float]:
    """Returns the counts that a request carries, of those that are known."""
    counts = {key: record[field] for field, key in USAGE_KEYS.items() if record[field] is not None}
    return {**dict(record["other_usage"]), **counts}


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Returns the fields of a request that carry these counts."""
    fields: dict[str, Any] = dict.fromkeys(USAGE_KEYS)
    other = fields["other_usage"] = {}
    for key, count in usage.items():
        if key in _FIELDS:
            fields[_FIELDS[key]] = count
        elif count:
            other[key] = float(count)
    return fields
