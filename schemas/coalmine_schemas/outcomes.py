"""How calls ended, in words that are the same for all providers."""

from typing import Final

from coalmine_schemas.events import OutcomeName

TRUNCATED: Final = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded", "context_length_exceeded"}
)
"""Finish reasons, in lower case, of an answer that was cut off at a limit."""
REFUSED: Final = frozenset(
    {
        *("content_filter", "refusal", "content_filtered", "guardrail_intervened"),
        *("safety", "recitation", "blocklist", "prohibited_content", "spii", "image_safety"),
        *("error_toxic", "sensitive"),
    }
)
"""Finish reasons, in lower case, of a model or a filter that refused to answer."""


def outcome_of(finish_reason: str | None, error_type: str | None) -> OutcomeName:
    """Returns how a call ended that its caller did not cancel.

    Args:
        finish_reason: Why the model stopped, in the provider's words.
        error_type: The error that ended the call; None or empty if none did.
    """
    if error_type:
        return "error"
    reason = (finish_reason or "").lower()
    if reason in REFUSED:
        return "refused"
    return "truncated" if reason in TRUNCATED else "ok"
