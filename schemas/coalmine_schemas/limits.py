"""How long, how many and how large the values of an event may be.

Whoever writes an event may be anybody, and every name becomes a row that is kept, a label on a chart and a
part of an address. What lies beyond becomes a dead letter (`rules.py`); the client shortens names before.
"""

import hashlib
from typing import Final

MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of a message: prompts and answers may be long."""
NAME_CHARS: Final = 200
"""Characters of a name: of a prompt, version, app, environment, model, arm, experiment, metric, segment."""
PROMPT_PATTERN: Final = "[a-z0-9._*?-]{1,100}"
"""What a pattern of prompts' names is: `*` stands for any letters, `?` for one."""
MOST_PROMPT_PATTERNS: Final = 20
"""Patterns that one token is for."""
ID_CHARS: Final = 500
"""Characters of an identifier that services choose (units, sessions, traces) and of a segment's value."""
LEAST_KEY_CHARS: Final = 32
"""Characters of the key that signs feedback links, at least."""
NAMES_PER_EVENT: Final = 100
"""Metrics, segments or properties of one event."""
MAX_NUMBER: Final = 1e15
"""Magnitude of a metric, score or rating: squares and sums of such numbers are still finite."""
MAX_DURATION_MS: Final = 1e10
"""Milliseconds of a latency: about four months."""
MAX_TOKENS: Final = 10**12
"""Tokens of one call."""
MAX_COST_NANO_USD: Final = 10**15
"""Price of one call: a million dollars."""
EARLIEST_US: Final = 946_684_800_000_000
"""First plausible time of an event, 2000-01-01 UTC, in microseconds: before it a clock was never set."""
AHEAD_US: Final = 86_400_000_000
"""How far a time may lie ahead of the reader's clock, in microseconds: a day, for a wrong time zone."""
_DIGEST_CHARS: Final = 16


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters; what is cut off is replaced by a digest, so that texts differ.

    Args:
        text: Any text.
        most: Characters, at least 20.
    """
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARS]
    return f"{text[: most - _DIGEST_CHARS - 1]}~{digest}"
