"""When sessions begin: a Poisson process whose rate follows the time of day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coalmine_simulator.distributions import Lognormal
from coalmine_simulator.errors import InvalidConfig

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

__all__ = ["Traffic", "session_starts"]

_DAY_S = 86_400.0
_THINK_TIME_S = Lognormal(median=25.0, sigma=0.8)


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much is going on, and when."""

    requests_per_s: float = 4.0
    """Calls that users begin, averaged over a whole day. Calls that others lead to come on top."""
    daily_amplitude: float = 0.5
    """0: the same all day. 0.5: the peak hour has three times the calls of the quietest."""
    peak_hour: float = 15.0
    """Hour of the simulated day with the most calls."""
    hour_at_start: float = 10.0
    """Hour of the simulated day at which the simulation begins. It is fixed and not taken from the
    clock, so that a seed gives the same events whenever it is run."""
    calls_per_session: float = 2.5
    """Mean number of calls that a user begins in a session (geometric, at least 1)."""
    think_time_s: Lognormal = _THINK_TIME_S
    """From the end of an answer to the next call of the session, simulated seconds."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.requests_per_s) and self.requests_per_s > 0):
            raise InvalidConfig("requests_per_s", self.requests_per_s, "a finite number above 0")
        if not 0 <= self.daily_amplitude < 1:
            raise InvalidConfig("daily_amplitude", self.daily_amplitude, "a number from 0 up to 1")
        if not (math.isfinite(self.calls_per_session) and self.calls_per_session >= 1):
            raise InvalidConfig("calls_per_session", self.calls_per_session, "a number of at least 1")

    def level(self, at_s: float) -> float:
        """The rate at a moment over the mean rate of a day."""
        hour = self.hour_at_start + at_s / 3600.0
        return 1.0 + self.daily_amplitude * math.cos(2 * math.pi * (hour - self.peak_hour) / 24.0)

    def expected_requests(self, duration_s: float) -> float:
        """Calls that users begin, expected in the first `duration_s` (ignoring how long sessions last)."""
        omega = 2 * math.pi / _DAY_S
        phase = 2 * math.pi * (self.hour_at_start - self.peak_hour) / 24.0
        swing = (math.sin(omega * duration_s + phase) - math.sin(phase)) / omega
        return self.requests_per_s * (duration_s + self.daily_amplitude * swing)


def session_starts(traffic: Traffic, rng: random.Random) -> Iterator[float]:
    """Moments at which sessions begin, without end, by thinning a process of the highest rate."""
    highest = traffic.requests_per_s / traffic.calls_per_session * (1.0 + traffic.daily_amplitude)
    ceiling = 1.0 + traffic.daily_amplitude
    at_s = 0.0
    while True:
        at_s += rng.expovariate(highest)
        if rng.random() * ceiling < traffic.level(at_s):
            yield at_s
