"""Ties a call to the trace that it happens in, where the service traces with OpenTelemetry.

Nothing is imported: a service that has a span has imported OpenTelemetry itself.
"""

import sys
from typing import Any, Final

MODULE: Final = "opentelemetry.trace"
"""OpenTelemetry's API; there once anything of the service uses it."""
PROMPT: Final = "gen_ai.prompt.name"
VERSION: Final = "gen_ai.prompt.version"
REQUEST_ID: Final = "coalmine.request_id"
"""Attributes that the span gets: OpenTelemetry's own names for the first two."""


def mark_current_span(prompt: str, version: str, request_id: str) -> str | None:
    """Puts a call on the span that is current, if one is and it is recorded. Of several calls the last stays.

    Args:
        prompt: Name of the prompt.
        version: Version that is used.
        request_id: Id of the call, by which its event, feedback and scores are found.

    Returns:
        Id of the span's trace in 32 hexadecimal digits; None where there is no such span.
    """
    module: Any = sys.modules.get(MODULE)
    if module is None:
        return None
    span = module.get_current_span()
    if not span.is_recording():
        return None
    span.set_attributes({PROMPT: prompt, VERSION: version, REQUEST_ID: request_id})
    return format(span.get_span_context().trace_id, "032x")
