"""What is configured, and what follows from it for a rule and for an alert."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from coalmine_alerts.delivery.channels import CHANGE_RULES, ChannelSettings, PagerDutySettings
from coalmine_alerts.facts import Facts, Source
from coalmine_alerts.grouping import DEFAULT_DIGEST, DigestTime
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Alert, Severity
from coalmine_alerts.results.story import StoryLink
from coalmine_alerts.rule import Answer
from coalmine_alerts.rules.channels import ChannelFailing
from coalmine_alerts.rules.defaults import DEFAULT_RULES
from coalmine_alerts.rules.money import Budget
from coalmine_alerts.timing import Timing

Tier = Literal["critical", "standard", "low"]
"""Of a prompt. `critical`: what is measured of it wakes somebody. `low`: nothing about it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """Who cares for some prompts, and how much."""

    owner: str | None = None
    channels: tuple[str, ...] = ()
    """Channels that it is told in, in place of the others; empty: as routed."""
    runbook: str | None = None
    """URL of what to do."""
    tier: Tier = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredRule:
    """A rule with what is configured of it. Implements `Rule`."""

    rule: Any
    timing: Timing
    severity: Severity | None = None
    """In place of the rule's own."""
    cares: Mapping[str, Care] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the rule."""
        name: str = self.rule.name
        return name

    @property
    def needs(self) -> frozenset[Source]:
        """What has to be read for it."""
        needs: frozenset[Source] = self.rule.needs
        return needs

    def __call__(self, facts: Facts) -> Iterator[Answer]:
        """Says what the rule says, as urgently as configured, and who cares for it."""
        for answer in self.rule(facts):
            yield self._cared_for(answer) if isinstance(answer, Finding) else answer

    def _cared_for(self, finding: Finding) -> Finding:
        care = care_of(self.cares, finding.labels.get("prompt"))
        severity = self.severity or finding.severity
        if care.tier == "low" and severity == "page":
            severity = "warning"
        elif care.tier == "critical" and severity == "warning" and self.timing.metric:
            severity = "page"
        story = finding.story
        if care.owner is not None:
            story = replace(story, details=(*story.details, ("Owner", care.owner)))
        if care.runbook is not None:
            others = [link for link in story.links if link.text != "Runbook"]
            story = replace(story, links=(*others, StoryLink("Runbook", care.runbook)))
        return replace(finding, severity=severity, story=story)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All of it."""

    rules: tuple[ConfiguredRule, ...]
    """Those that are on."""
    channels: tuple[ChannelSettings, ...] = ()
    route: Mapping[Severity, tuple[str, ...]] = field(default_factory=dict)
    """Channels by severity; one that is absent is told in all of them."""
    prompts: Mapping[str, Care] = field(default_factory=dict)
    """By name, which may hold `*`; the first that matches counts."""
    budgets: tuple[Budget, ...] = ()
    digest: DigestTime = DEFAULT_DIGEST

    @property
    def limits(self) -> Mapping[str, float]:
        """Absolute limits that `kill_limit` watches: what has to be read for it."""
        return next((each.rule.limits for each in self.rules if each.name == "kill_limit"), {})

    @property
    def needs(self) -> frozenset[Source]:
        """What has to be read for its rules."""
        return frozenset(source for rule in self.rules for source in rule.needs)

    def channels_of(self, alert: Alert) -> Sequence[str]:
        """Returns the channels that an alert is told in: those of its prompt, else of its severity.

        What is about a channel is told in all others.
        """
        if alert.rule == ChannelFailing.name:
            others = [each for each in self.channels if each.name != alert.labels["channel"]]
            return [each.name for each in others if _takes(each, alert)]
        care = care_of(self.prompts, alert.labels.get("prompt"))
        every = tuple(each.name for each in self.channels)
        wanted = care.channels or self.route.get(alert.severity, every)
        return [each.name for each in self.channels if each.name in wanted and _takes(each, alert)]


def default_configuration(channels: Sequence[ChannelSettings] = ()) -> Configuration:
    """Returns what holds where nothing is configured: all rules, told in all channels."""
    rules = tuple(ConfiguredRule(rule=rule, timing=rule.timing) for rule in DEFAULT_RULES.values() if rule.on)
    return Configuration(rules=rules, channels=tuple(channels))


def care_of(cares: Mapping[str, Care], prompt: str | None) -> Care:
    """Returns who cares for a prompt."""
    if prompt is None:
        return Care()
    return next((care for pattern, care in cares.items() if fnmatchcase(prompt, pattern)), Care())


def _takes(channel: ChannelSettings, alert: Alert) -> bool:
    """PagerDuty is told of what pages, and of what changed: that pages nobody there."""
    if not isinstance(channel, PagerDutySettings) or channel.incidents == "all":
        return True
    return alert.severity == "page" or alert.rule in CHANGE_RULES
