"""The hook that sees every text before it leaves the process."""

from collections.abc import Callable
from typing import Literal

from coalmine.stats import Counters
from coalmine_schemas.limited_log import RateLimitedLogger

TextField = Literal["input_text", "output_text", "comment", "correction", "rationale"]
"""Which text of an event the hook is shown."""

Redact = Callable[[str, TextField], str | None]
"""Takes a text and which one it is; returns what may be kept of it, or None to drop it.

Called on the client's background thread, one text at a time, so that a slow hook does not slow requests.
"""


class Redactor:
    """Applies the hook so that a text is kept only if the hook returned it.

    Args:
        hook: The service's hook; None keeps texts as they are.
        counters: Counts failures.
        log: Reports it, never with the text or the hook's message, which may quote it.
    """

    def __init__(self, hook: Redact | None, counters: Counters, log: RateLimitedLogger) -> None:
        self._hook = hook
        self._counters = counters
        self._log = log

    def apply(self, text: str | None, field: TextField) -> str | None:
        """What may be kept of the text; None when the hook dropped it, raised, or returned no text."""
        if text is None or self._hook is None:
            return text
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
        self._counters.problem("redaction_failed")
        message = "the redaction hook failed on %s (%s); the text was dropped"
        self._log.report("redaction", message, field, why)
