"""A rule about the channels themselves: what one of them does not take is told in the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from coalmine_alerts.facts import Facts
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.delivery import ChannelHealth
from coalmine_alerts.results.story import Story, StoryLink, moment
from coalmine_alerts.rules.base import DefaultRule
from coalmine_alerts.rules.words import details, runbook, title
from coalmine_alerts.timing import Timing


@dataclass(frozen=True, slots=True)
class ChannelFailing(DefaultRule):
    """A channel refuses messages, or does not respond."""

    name: ClassVar[str] = "channel_failing"
    timing: ClassVar[Timing] = Timing(group_wait=timedelta(0), on_no_data="ok")
    needs: ClassVar = frozenset(("channels",))
    summary: ClassVar[str] = "a channel refuses messages, or does not respond; told in the other channels"

    after: timedelta = timedelta(minutes=5)
    """What was tried and has waited for so long means that the channel is away."""
    parked_for: timedelta = timedelta(minutes=10)
    """A refusal is told of for so long, even if the channel takes other messages."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each channel; a page where one did not get through."""
        for each in facts.channels:
            if not each.configured:
                yield self._gone(each)
                continue
            refused, away = self._refuses(each, facts), self._is_away(each, facts)
            said = f"{each.channel} said: {each.error}." if each.error else ""
            if refused:
                summary = f"{each.parked} alerts could not be sent to {each.channel}. {said}"
            else:
                summary = f"{each.waiting} alerts wait to be sent to {each.channel}. {said}"
            story = Story(
                title=title(f"Alerts do not reach {each.channel}"),
                summary=summary if refused or away else f"{each.channel} takes alerts.",
                details=details(
                    Waiting=f"{each.waiting:,}",
                    Refused=f"{each.parked:,} in the last hour",
                    Last_taken="never" if each.delivered_at is None else moment(each.delivered_at),
                ),
                done="It is tried again for 24 hours." if away else "Those messages are not tried again.",
                could=(f"send one by hand: `coalmine alerts send-test {each.channel}`",),
                sure="No test: this is what the channel says",
                links=(StoryLink("Open", "/alerts"), runbook(self.name)),
                icon="📵",
            )
            yield self._finding(
                each,
                story,
                condition=refused or away,
                since=each.parked_at if refused else each.failing_since,
                value=each.parked if refused else each.waiting,
            )

    def _gone(self, each: ChannelHealth) -> Finding:
        missed = each.waiting + each.parked
        story = Story(
            title=title(f"Alerts do not reach {each.channel}"),
            summary=f"{missed} alerts were to be sent to {each.channel}, which is not configured any more.",
            details=details(Waiting=f"{each.waiting:,}", Given_up=f"{each.parked:,} in the last hour"),
            done="Those that wait are sent if it is configured again, and given up after 24 hours.",
            could=("look what they were: `coalmine alerts list`", f"configure {each.channel} again"),
            sure="No test: this is what waits",
            links=(StoryLink("Open", "/alerts"), runbook(self.name)),
            icon="📵",
        )
        return self._finding(each, story, condition=missed > 0, since=each.parked_at, value=missed)

    def _finding(
        self, each: ChannelHealth, story: Story, *, condition: bool, since: datetime | None, value: int
    ) -> Finding:
        return Finding(
            rule=self.name,
            labels={"channel": each.channel},
            condition=condition,
            severity="page" if each.worst == "page" else "warning",
            cause=Cause(kind="system", id="channels"),
            story=story,
            since=since,
            value=float(value),
        )

    def _refuses(self, each: ChannelHealth, facts: Facts) -> bool:
        if each.parked_at is None:
            return False
        taken_since = each.delivered_at is not None and each.delivered_at > each.parked_at
        return not taken_since or facts.now - each.parked_at < self.parked_for

    def _is_away(self, each: ChannelHealth, facts: Facts) -> bool:
        since = each.failing_since
        return since is not None and (each.unusable or facts.now - since >= self.after)
