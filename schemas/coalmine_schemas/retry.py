"""Tries something again, ever more slowly, until it works or we are told to stop."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from coalmine_schemas.errors import Transient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Pauses between attempts: `first_s`, then twice as long each time, up to `max_s`."""

    first_s: float = 0.1
    max_s: float = 10.0
    jitter: float = 0.2
    """Each pause is changed by up to this share, so that many processes do not come back together."""

    def pause_s(self, attempt: int, rng: random.Random) -> float:
        """How long to wait after a failed attempt, counted from 0."""
        plain = min(self.max_s, self.first_s * 2.0 ** min(attempt, 60))
        return plain * (1.0 + self.jitter * rng.uniform(-1.0, 1.0))


class Stopped(Exception):
    """We were told to stop before it worked. Nothing else is wrong."""


def retry(
    action: Callable[[], T],
    policy: RetryPolicy,
    stop: threading.Event,
    on_failure: Callable[[Transient, float], None],
    rng: random.Random | None = None,
) -> T:
    """Do it until it raises nothing transient.

    Args:
        action: What to do. A `Transient` error means that trying again may help; others are passed on.
        policy: How long to wait in between.
        stop: Ends the waiting; an attempt under way is finished.
        on_failure: Told of each failure and of the pause that follows.
        rng: Source of the jitter.

    Raises:
        Stopped: `stop` was set after a failure.
    """
    rng = rng or random.Random()  # noqa: S311 - no secret
    attempt = 0
    while True:
        try:
            return action()
        except Transient as error:
            pause_s = policy.pause_s(attempt, rng)
            attempt += 1
            on_failure(error, pause_s)
            if stop.wait(pause_s):
                raise Stopped from error
