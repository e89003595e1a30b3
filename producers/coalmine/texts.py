"""What applications hand over, and how much text of it may wait in memory."""

import threading
from dataclasses import replace
from typing import Any, Final

from coalmine.call import Call
from coalmine.redaction import TextField
from coalmine_schemas.events import PromptFeedback, PromptRequest, PromptScore

Draft = Call | PromptRequest | PromptFeedback | PromptScore
"""A call that ended, or a whole event."""

TEXT_FIELDS: Final[dict[type, tuple[TextField, ...]]] = {
    PromptRequest: ("input_text", "output_text"),
    PromptFeedback: ("comment", "correction"),
    PromptScore: ("rationale",),
}
"""The texts of each event, which may be of any length."""


class TextBudget:
    """Bounds the characters that wait in the queue; the number of events alone would not bound memory.

    Args:
        limit: Characters that may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.RLock()  # a finalizer may ask in the midst of asking
        self._waiting = 0

    def take(self, chars: int) -> bool:
        """Returns True if there is room for that many more, which then count as waiting."""
        with self._lock:
            if self._waiting + chars > self._limit:
                return False
            self._waiting += chars
            return True

    def give_back(self, chars: int) -> None:
        """So many wait no more."""
        with self._lock:
            self._waiting -= chars


def has_text(draft: Draft) -> bool:
    """Returns True if it holds any text; called for every event, so it is quick for a call without."""
    if isinstance(draft, Call):
        return bool(draft.input_text or draft.output_text or draft.facts.text)
    return text_chars(draft) > 0


def text_chars(draft: Draft) -> int:
    """Characters of all texts in it."""
    if isinstance(draft, Call):
        texts = (draft.input_text, draft.output_text, draft.facts.text)
    else:
        texts = tuple(getattr(draft, field) for field in TEXT_FIELDS[type(draft)])
    return sum(len(text) for text in texts if isinstance(text, str))


def without_texts(draft: Draft) -> Draft:
    """The same without its texts."""
    if isinstance(draft, Call):
        draft.forget_texts()
        return draft
    fields: dict[str, Any] = dict.fromkeys(TEXT_FIELDS[type(draft)])
    if isinstance(draft, PromptFeedback) and draft.correction is not None:
        fields["correction"] = ""  # that there was one counts
    return replace(draft, **fields)
