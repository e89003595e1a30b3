"""Which prompt an experiment is of: readouts add up whatever names the experiment."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from coalmine_schemas.errors import CoalmineError

AGAIN_S: Final = 5.0
"""Seconds before the registry is asked again: events may name what it does not know, each another name."""


class ExperimentPrompts:
    """Prompts of experiments, remembered, for they never change. May be used by several threads.

    Args:
        read: Reads the prompt of every experiment from the registry.
        clock: Monotonic seconds.
    """

    def __init__(
        self, read: Callable[[], Mapping[str, str]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._known: Mapping[str, str] = {}
        self._ask_again_at = float("-inf")

    def __call__(self, experiment: str) -> str | None:
        """Returns the prompt; None if the registry had no such experiment lately, or did not respond."""
        if experiment not in self._known and self._clock() >= self._ask_again_at:
            self._ask_again_at = self._clock() + AGAIN_S  # others do not wait for the same
            try:
                self._known = self._read()
            except CoalmineError:  # events are taken while the registry is away
                self._ask_again_at = self._clock() + AGAIN_S
        return self._known.get(experiment)
