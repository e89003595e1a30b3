"""What happens to clients when their process forks.

A child has its parent's memory but none of its threads, and shares its parent's open files. So every client
starts over in the child: an empty queue, no thread, no file, no connection; the parent sends what is its own.
"""

import ctypes
import os
from typing import Final, Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """An object that takes part in forks."""

    def before_fork(self) -> None:
        """In the parent, just before: reaches a state that can be copied. Waits for a second at most."""

    def after_fork_in_parent(self) -> None:
        """In the parent, just after."""

    def after_fork_in_child(self) -> None:
        """In the child: starts over."""


_LIVING: Final[WeakSet[Forkable]] = WeakSet()


def follow_forks(thing: Forkable) -> None:
    """Calls `thing` at every fork for as long as it lives."""
    _LIVING.add(thing)


def never_free(thing: object) -> None:
    """Keeps an object from ever being freed, even when the interpreter ends.

    For a Kafka producer in a forked child: freeing it waits for threads that only the parent has.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _before() -> None:
    for thing in tuple(_LIVING):
        thing.before_fork()


def _in_parent() -> None:
    for thing in tuple(_LIVING):
        thing.after_fork_in_parent()


def _in_child() -> None:
    for thing in tuple(_LIVING):
        thing.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
