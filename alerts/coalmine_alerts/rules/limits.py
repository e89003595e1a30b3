"""A version that everybody gets breaks an absolute limit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

from coalmine_alerts.facts import DEFAULT_LIMITS, Facts, LimitWatch
from coalmine_alerts.records import Finding
from coalmine_alerts.results.story import Story
from coalmine_alerts.rules.base import DefaultRule, of_prompt
from coalmine_alerts.rules.words import details, percent, runbook, title, view_of, where
from coalmine_alerts.timing import Timing

_VERBS: Final = {"error_rate": "fail", "refusal_rate": "are refused"}


@dataclass(frozen=True, slots=True)
class KillLimit(DefaultRule):
    """More calls fail than a version may, and no rollout is there to take it back."""

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
        lately = {each.key: each for each in facts.served}
        under_way = {
            (each.rollout.environment, each.rollout.prompt, version)
            for each in facts.rollouts
            if each.is_out
            for version in (each.rollout.treatment, each.rollout.control)
        }
        for watch in facts.limits:
            if watch.key not in under_way:
                yield self._finding(facts, watch, last=watch.key in lately and _is_only(facts, watch))

    def _finding(self, facts: Facts, watch: LimitWatch, *, last: bool) -> Finding:
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
            done="Nothing: no rollout is there to take it back.",
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
            recovered=now <= watch.limit and watch.requests_lately >= self.recovered_after,
        )


def _is_only(facts: Facts, watch: LimitWatch) -> bool:
    """True if nothing else of the prompt was served there lately."""
    return not any(
        each.key.place == watch.key.place and each.key != watch.key and each.requests for each in facts.served
    )
