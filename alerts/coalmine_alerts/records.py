"""What passes between rules, states and messages: findings, and what is told in one message."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coalmine_alerts.results.alerts import Alert, Cause, Severity, Transition
from coalmine_alerts.results.story import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule says about one thing at one evaluation."""

    rule: str
    labels: Mapping[str, str]
    """What it is about (`environment`, `prompt`, `version`, `metric`, ...): with the rule its identity."""
    condition: bool | None
    """True: it is so; False: it is not; None: there is no data to say."""
    severity: Severity
    cause: Cause
    story: Story
    since: datetime | None = None
    """When it began, as far as the rule can tell."""
    value: float | None = None
    """Measured, in the rule's own unit."""
    recovered: bool | None = None
    """Where the condition is False: True, there is evidence that it is well again; False, there is none, so a
    firing alert stays; None, the rule does not ask for evidence (an alert that latches stays)."""
    ended: bool = False
    """True: the thing is gone (another version is served): a firing alert is over at once."""
    is_worse_than: Callable[[float], bool] | None = field(default=None, compare=False)
    """Whether it is worse now than a value that somebody accepted as the new normal; None: the rule cannot
    say, and an alert that was accepted does not fire again before its condition has been False."""
    notice: str | None = None
    """Id of something that happened once: it is told once, and never resolved. The condition is True then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """Holds alerts back, as long as a rule yields it: they are evaluated, but nobody is told."""

    by: str
    """Because of what: id of a rollout, name of a rule, `provider/response model`."""
    labels: Mapping[str, str]
    """Alerts with all of these labels; empty: every alert."""
    rules: frozenset[str] = frozenset()
    """Alerts of these rules; empty: all whose `Timing.metric` is True. Never of the rule that yields this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told in one message: the alerts of a group as they stand."""

    group: str
    """`environment|kind|id` of the cause."""
    cause: Cause
    environment: str | None
    alerts: tuple[Alert, ...]
    """The worst and latest first."""
    history: tuple[Transition, ...] = ()
    """Of the present firing, oldest first."""
    limited: Mapping[str, int] = field(default_factory=dict)
    """More alerts of other groups that are only counted here, by rule: the channel's limit was reached."""
    may_be_repeat: bool = False
    """True: it may have been delivered before, and this channel cannot say."""
    test: bool = False
