"""Homes that hold simulated events only: marked, so that nobody takes them for measurements.

`coalmine simulate`, `replay` and `demo` write into a home of their own. The mark says in words what the
events are; the dashboard shows it.
"""

import shutil
from pathlib import Path

from coalmine_schemas.atomic_file import write_atomically

MARK = "simulated.txt"
_EVENTS = ("store", "spool")


def mark_simulated(home: Path, words: str) -> None:
    """Marks a home; a later mark replaces the earlier one.

    Args:
        home: The folder; created if needed.
        words: What its events are, as a sentence for people.
    """
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / MARK, words + "\n")


def simulated_words(home: Path) -> str | None:
    """Returns what the mark says; None for a home of real events."""
    try:
        return (home / MARK).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def may_hold_real_events(home: Path) -> bool:
    """Returns True for a home without a mark in which something keeps events."""
    return simulated_words(home) is None and any(
        (home / name).is_dir() and any((home / name).iterdir()) for name in _EVENTS
    )


def delete_simulated(home: Path) -> bool:
    """Deletes a marked home with everything in it; leaves any other alone and returns False."""
    if simulated_words(home) is None:
        return False
    shutil.rmtree(home)
    return True
