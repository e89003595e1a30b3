"""Alerts as they stand, their transitions and silences: what the API serves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from coalmine_alerts.results.story import Story
from coalmine_schemas.results import result

Severity = Literal["info", "warning", "page"]
AlertState = Literal["ok", "pending", "firing", "resolved", "no_data"]
CauseKind = Literal["rollout", "model", "prompt", "app", "budget", "ingest", "suite", "system"]
TransitionKind = Literal[
    "state",
    "severity",
    "update",
    "repeat",
    "no_data",
    "flapping",
    "notice",
    "acknowledge",
    "accept",
    "silence",
    "inhibit",
]
"""`state`: another state. `update`: firing on, with other figures, or told now because it was held back.
`repeat`: a page that nobody has acknowledged. `no_data`: it fires on, without data. `notice`: something
happened, once."""


@result
class Cause:
    """What an alert is grouped by: alerts of one environment and cause are told in one message."""

    kind: CauseKind
    id: str
    """Id of the rollout, `provider/response model`, name of the prompt or app, ..."""


@result
class Alert:
    """One alert as it stands."""

    fingerprint: str
    """16 hexadecimal digits: rule and sorted labels."""
    rule: str
    labels: Mapping[str, str]
    state: AlertState
    severity: Severity
    cause: Cause
    since: datetime
    """When it came into this state."""
    began_at: datetime | None
    """When what it is about began, as far as the rule can tell."""
    fired_at: datetime | None
    """When it fired last."""
    firing: int
    """How many times it has fired."""
    value: float | None
    story: Story
    evaluated_at: datetime
    """When the rule last said something about it."""
    true_since: datetime | None
    """Since when the condition has held without a break."""
    false_since: datetime | None
    """Since when it has not; null: it has, or there is nothing to say (any more)."""
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    silenced_until: datetime | None
    inhibited_by: str | None
    """Fingerprint or rollout because of which nobody is told of it now."""
    flapping_since: datetime | None
    last_notice: str | None
    """Of notices: the id of the last one. The state of what is only noticed is `ok`."""
    no_data_since: datetime | None = None
    """Since when there is no data, while firing or pending."""
    accepted_by: str | None = None
    """Who accepted it as the new normal: it does not fire again before its condition has been False, or it is
    worse than what was accepted."""
    accepted_at: datetime | None = None
    accepted_value: float | None = None
    """Measured when it was accepted: the new reference."""


@result
class Transition:
    """A change of an alert."""

    seq: int
    """Ascending, without meaning."""
    fingerprint: str
    at: datetime
    kind: TransitionKind
    from_state: AlertState
    to_state: AlertState
    severity: Severity
    firing: int
    summary: str
    value: float | None
    actor: str | None
    """Who did it, if a person did."""
    reason: str | None
    told: bool
    """False: nobody was to be told of it (silenced, inhibited, or of no interest)."""


@result
class Silence:
    """Alerts with these labels are told to nobody for a while; they are evaluated all the same."""

    id: int
    matchers: Mapping[str, str]
    """`rule` and labels, all of which an alert must have; values may end in `*`."""
    reason: str
    created_by: str
    created_at: datetime
    ends_at: datetime
    ended_by: str | None = None
    ended_at: datetime | None = None
