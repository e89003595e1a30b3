"""Messages that could not be stored: looking at them, storing them after a fix, giving them up."""

from coalmine_consumers.dead_letters.header import FrameHeader, describe
from coalmine_consumers.dead_letters.listing import (
    DeadLetter,
    DeadLetterFilter,
    DeadLetterPage,
    DeadLetterSummary,
    get_dead_letter,
    list_dead_letters,
)
from coalmine_consumers.dead_letters.replay import (
    ReplayResult,
    StillFailing,
    discard_dead_letters,
    replay_dead_letters,
)

__all__ = [
    "DeadLetter",
    "DeadLetterFilter",
    "DeadLetterPage",
    "DeadLetterSummary",
    "FrameHeader",
    "ReplayResult",
    "StillFailing",
    "describe",
    "discard_dead_letters",
    "get_dead_letter",
    "list_dead_letters",
    "replay_dead_letters",
]
