"""A version that everybody gets breaks an absolute limit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

from scipy.special import bdtrc

from coalmine_alerts.facts import DEFAULT_LIMITS, Facts, LimitWatch, VersionPlace
from coalmine_alerts.records import Finding
from coalmine_alerts.results.story import Story
from coalmine_alerts.rules.base import DefaultRule, of_prompt
from coalmine_alerts.rules.words import details, percent, runbook, title, view_of, where
from coalmine_alerts.timing import Timing
from coalmine_rollouts.decide import TAKEN_BACK

_LATELY: Final = timedelta(minutes=10)
_WATCHED: Final = timedelta(hours=1)
"""Evidence is of so long."""
_CHANCE: Final = 1e-6
"""Of each look at what was accepted."""
_VERBS: Final = {"error_rate": "fail", "refusal_rate": "are refused"}


@dataclass(frozen=True, slots=True)
class KillLimit(DefaultRule):
    """More calls fail than a version may, and no rollout takes it back."""

    name: ClassVar[str] = "kill_limit"
    timing: ClassVar[Timing] = Timing(latch=True, metric=True)
    needs: ClassVar = frozenset(("traffic", "limits", "rollouts"))
    summary: ClassVar[str] = "so many calls fail that no comparison is needed"

    limits: Mapping[str, float] = field(default_factory=lambda: DEFAULT_LIMITS)
    """The share allowed, by rate."""
    log_e: float = 16.0
    """Evidence from which on a limit is broken: e to this, 1 in 9 million for each hour and version, which
    begins anew every hour: 1 in 1,000 a year."""
    least_hit: int = 3
    """Groups of units with something bad, at least: a client that tries again and again is one."""
    recovered_after: int = 30
    """Requests that say that it is well again."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each version, and limit, that had requests in the last hour."""
        of_place = facts.served_at()
        watched, taken_back = _of_rollouts(facts)
        for watch in facts.limits:
            if watch.key in watched:
                continue
            others = [each for each in of_place.get(watch.key.place, ()) if each.key != watch.key]
            replaced = not watch.requests_lately and any(
                facts.now - each.last_at <= _LATELY for each in others
            )
            yield self._finding(facts, watch, last=not others, ended=replaced or watch.key in taken_back)

    def _finding(self, facts: Facts, watch: LimitWatch, *, last: bool, ended: bool) -> Finding:
        share = watch.bad_units / watch.units if watch.units else 0.0
        now = watch.bad_lately / watch.requests_lately if watch.requests_lately else 0.0
        proven = watch.log_e >= self.log_e and watch.hit >= self.least_hit
        back = f"go back: `coalmine rollback {watch.key.prompt} {watch.key.environment}`"
        story = Story(
            title=title(
                f"{percent(now)} of calls {_VERBS[watch.limit_name]}",
                f"{watch.key.prompt} {watch.key.version}",
                watch.key.environment,
            ),
            summary=f"{where(watch.key)} breaks its limit: {watch.limit_name} is {percent(now)} in the last "
            f"ten minutes, {percent(watch.limit)} is allowed.",
            why="There is no control to compare with: an outage of the provider looks the same.",
            details=details(
                Last_hour=f"{watch.bad_units:,.0f} of {watch.units:,} groups of users ({percent(share)})",
                Last_ten_minutes=f"{watch.bad_lately:,} of {watch.requests_lately:,} calls",
            ),
            done="Nothing: no rollout takes it back.",
            could=(
                "look whether the provider has an outage",
                *(() if last else (back,)),
            ),
            sure="Sequential test against the limit, valid at every look: 1 in 1,000 per version and year",
            links=(view_of(watch.key, facts.now - timedelta(hours=1), facts.now), runbook(self.name)),
        )
        return Finding(
            rule=self.name,
            labels={**watch.key.labels(), "limit": watch.limit_name},
            condition=None if not watch.requests_lately else proven and now > watch.limit,
            severity="page",
            cause=of_prompt(watch.key),
            story=story,
            value=now,
            is_worse_than=lambda accepted: _is_above(watch, accepted),
            recovered=now <= watch.limit and watch.requests_lately >= self.recovered_after,
            ended=ended,
        )


def _is_above(watch: LimitWatch, accepted: float) -> bool:
    """Whether more calls failed lately than chance explains, if the share is the one that was accepted."""
    chance = bdtrc(watch.bad_lately - 1, watch.requests_lately, min(accepted, 1.0))
    return bool(chance < _CHANCE)


def _of_rollouts(facts: Facts) -> tuple[set[VersionPlace], set[VersionPlace]]:
    """Versions that a rollout takes back if they are worse, and those that one has just taken back.

    A control is none: where it fails, too, that is an outage, and the rollout only holds.
    """
    watched, taken_back = set(), set()
    for each in facts.rollouts:
        rollout = each.rollout
        treatment = VersionPlace(rollout.environment, rollout.prompt, rollout.treatment)
        if each.takes_back:
            watched.add(treatment)
        elif rollout.state in TAKEN_BACK and rollout.ended_at and facts.now - rollout.ended_at < _WATCHED:
            taken_back.add(treatment)
    return watched, taken_back - watched
