"""Messages that could not be stored: listed, replayed after a fix, or given up."""

from coalmine_consumers.dead_letters.listing import DeadLetterFilter, get_dead_letter, list_dead_letters
from coalmine_consumers.dead_letters.replay import discard_dead_letters, replay_dead_letters

__all__ = [
    "DeadLetterFilter",
    "discard_dead_letters",
    "get_dead_letter",
    "list_dead_letters",
    "replay_dead_letters",
]
