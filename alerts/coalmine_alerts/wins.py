"""Adds up what shipped versions brought."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import expm1, hypot, log1p, sqrt
from statistics import median
from typing import Final

from coalmine_alerts.results.digest import Shipped, ShippedEffect
from coalmine_alerts.results.wins import Gain, Wins
from coalmine_alerts.shipped import MOST_ROLLOUTS, shipped_between
from coalmine_registry.registry import Registry

_Z95: Final = 1.959963984540054
_SHARES: Final = "share"


def wins_of(
    registry: Registry,
    since: datetime,
    until: datetime,
    environment: str | None = None,
    prompt: str | None = None,
) -> Wins:
    """Returns what the rollouts that ended in a period brought.

    Args:
        registry: Which made them.
        since: They ended then or later.
        until: They ended before.
        environment: Only there; None: all.
        prompt: Only of this one; None: all.
    """
    shipped = shipped_between(registry, since, until, environment, prompt)
    done = [each for each in shipped if each.lead_time_s is not None]
    back = [each for each in shipped if each.outcome == "rolled back"]
    lead_times = [each.lead_time_s for each in done if each.lead_time_s is not None]
    lengths = [each.out_s for each in back if each.out_s is not None]
    tried = len(done) + len(back)
    lower, upper = wilson(len(back), tried) if tried else (None, None)
    return Wins(
        since=since,
        until=until,
        shipped=shipped,
        complete=len(shipped) < MOST_ROLLOUTS,
        reached_everybody=len(done),
        rolled_back=len(back),
        rolled_back_share=len(back) / tried if tried else None,
        rolled_back_lower=lower,
        rolled_back_upper=upper,
        median_lead_time_s=median(lead_times) if lead_times else None,
        median_rollback_s=median(lengths) if lengths else None,
        gains=tuple(gains_of(done)),
    )


def gains_of(shipped: Iterable[Shipped]) -> Iterator[Gain]:
    """Yields the cumulative change of each metric, with each version that reached everybody.

    Relative changes multiply, differences of shares add up. A version is shipped because it looked good, so
    the sum of what was measured is rather too good: the more so, the wider the intervals.

    Args:
        shipped: Rollouts that completed, oldest first.
    """
    sums: dict[tuple[str, str, str, str], _Sum] = {}
    for each in shipped:
        for effect in each.effects:
            step = _step(effect)
            if step is None:
                continue
            key = (each.environment, each.prompt, effect.metric, effect.unit)
            sums[key] = found = sums.get(key, _Sum(0.0, 0.0, 0.0, 0)).plus(step)
            relative = effect.unit != _SHARES
            change, lower, upper = (
                None if end is None else expm1(end) if relative else end for end in found.ends()
            )
            assert change is not None
            yield Gain(
                environment=each.environment,
                prompt=each.prompt,
                metric=effect.metric,
                unit=effect.unit,
                at=each.ended_at,
                version=each.version,
                versions=found.versions,
                relative=relative,
                change=change,
                lower=lower,
                upper=upper,
            )


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum of changes, on the scale on which they add up."""

    change: float
    below: float | None
    """Distance to the lower end; None: not known."""
    above: float | None
    versions: int = 1

    def plus(self, other: "_Sum") -> "_Sum":
        return _Sum(
            self.change + other.change,
            None if self.below is None or other.below is None else hypot(self.below, other.below),
            None if self.above is None or other.above is None else hypot(self.above, other.above),
            self.versions + other.versions,
        )

    def ends(self) -> Sequence[float | None]:
        return (
            self.change,
            None if self.below is None else self.change - self.below,
            None if self.above is None else self.change + self.above,
        )


def _step(effect: ShippedEffect) -> _Sum | None:
    """One effect on that scale: its logarithm where it is relative; None if it was not measured."""
    change, lower, upper = (_scaled(effect, value) for value in (effect.effect, effect.lower, effect.upper))
    if change is None:
        return None
    below, above = (None if end is None else abs(end - change) for end in (lower, upper))
    return _Sum(change, below, above)


def _scaled(effect: ShippedEffect, value: float | None) -> float | None:
    if value is None or effect.unit == _SHARES:
        return value
    before = effect.control_value
    if before is None or before <= 0 or value / before <= -1:
        return None
    return log1p(value / before)


def wilson(count: int, n: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share.

    Args:
        count: Of those that did.
        n: Of all, at least 1.

    References:
        E. B. Wilson, JASA 22 (1927).
    """
    share, z2 = count / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)
