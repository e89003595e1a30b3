"""Is a count above usual? One Poisson rate against another, with days that vary more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import betainc


@dataclass(frozen=True, slots=True)
class Above:
    """A count against what is usual for so many requests."""

    usual: float
    """Events to be expected among as many requests."""
    dispersion: float
    """How many times more the days before varied than a Poisson count does; at least 1."""
    p: float
    """Chance of so many or more, if nothing has changed."""


def above(count: int, requests: int, before: Sequence[tuple[int, int]]) -> Above | None:
    """Compares a count with those of days before, at the same hours; None if too little is known.

    Exact for Poisson counts, given the sum of both (a binomial test, so that little data from before is no
    certainty); where days differ by more than chance, counts are worth as much less.

    Args:
        count: Events now.
        requests: Requests now.
        before: Events and requests of each day before.
    """
    events, exposure = (sum(each[place] for each in before) for place in range(2))
    if not requests or not exposure or len(before) < LEAST_DAYS:
        return None
    rate = events / exposure
    dispersion = 1.0
    if rate > 0:
        squares = [(found - rate * of) ** 2 / (rate * of) for found, of in before if of]
        dispersion = max(1.0, sum(squares) / max(len(squares) - 1, 1))
    now, then = count / dispersion, events / dispersion
    share = requests / (requests + exposure)
    # P(X >= now) for X ~ Binomial(now + then, share), also for parts of an event.
    p = 1.0 if count == 0 else float(betainc(now, then + 1.0, share))
    return Above(rate * requests, dispersion, p)


LEAST_DAYS = 3
"""Days before, without which nothing is usual."""
