"""Where an alert stands, and what people have heard of it; what one step makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from coalmine_alerts.fingerprint import fingerprint
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Alert, Severity, Transition, TransitionKind

RANK: Final[Mapping[Severity, int]] = {"info": 0, "warning": 1, "page": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What people have heard of an alert."""

    what: Literal["firing", "no_data"] | None = None
    """What they take it for; None: nothing, or that it is over."""
    firing: int = 0
    severity: Severity | None = None
    at: datetime | None = None
    """When they were told last."""
    channels: tuple[str, ...] = ()
    """Where they were told of the present firing."""
    no_data: bool = False
    """True: they were told that it fires on without data."""
    changes: tuple[datetime, ...] = ()
    """When it began to fire or stopped, in the last hour."""
    lower_since: datetime | None = None
    """Since when its rule calls it less severe than it stands."""
    notices: tuple[str, ...] = ()
    """Ids of the latest notices."""

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON, without what is empty."""
        found: dict[str, Any] = {
            "what": self.what,
            "firing": self.firing,
            "severity": self.severity,
            "at": _text(self.at),
            "channels": list(self.channels),
            "no_data": self.no_data,
            "changes": [each.isoformat() for each in self.changes],
            "lower_since": _text(self.lower_since),
            "notices": list(self.notices),
        }
        return {name: value for name, value in found.items() if value}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Heard":
        """Reads what `to_json` returned."""
        return cls(
            what=stored.get("what"),
            firing=stored.get("firing", 0),
            severity=stored.get("severity"),
            at=_moment(stored.get("at")),
            channels=tuple(stored.get("channels", ())),
            no_data=stored.get("no_data", False),
            changes=tuple(datetime.fromisoformat(each) for each in stored.get("changes", ())),
            lower_since=_moment(stored.get("lower_since")),
            notices=tuple(stored.get("notices", ())),
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert, and what people have heard of it."""

    alert: Alert
    heard: Heard = field(default_factory=Heard)

    @property
    def is_live(self) -> bool:
        """True: it is to be looked at even when no rule says anything about it."""
        return (
            self.alert.state in ("pending", "firing", "no_data")
            or self.alert.flapping_since is not None
            or self.heard.what is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a step depends on besides the alert and the finding."""

    now: datetime
    """It may lie before the time of the last step: clocks are set."""
    silenced_until: datetime | None = None
    inhibited_by: str | None = None
    digest_at: datetime | None = None
    """When the latest daily digest was told."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step makes of an alert."""

    standing: Standing
    transitions: tuple[Transition, ...] = ()
    """In order; `seq` is not known yet."""


def first_standing(finding: Finding, now: datetime) -> Standing:
    """Returns where an alert stands of which nothing is known before this finding."""
    return Standing(
        Alert(
            fingerprint=fingerprint(finding.rule, finding.labels),
            rule=finding.rule,
            labels=dict(finding.labels),
            state="ok",
            severity=finding.severity,
            cause=finding.cause,
            since=now,
            began_at=None,
            fired_at=None,
            firing=0,
            value=finding.value,
            story=finding.story,
            evaluated_at=now,
            true_since=None,
            false_since=None,
            no_data_since=None,
            acknowledged_by=None,
            acknowledged_at=None,
            silenced_until=None,
            inhibited_by=None,
            flapping_since=None,
            last_notice=None,
            accepted_by=None,
            accepted_at=None,
            accepted_value=None,
        )
    )


def transition(
    before: Alert,
    after: Alert,
    now: datetime,
    *,
    kind: TransitionKind,
    summary: str,
    told: bool,
    actor: str | None = None,
    reason: str | None = None,
) -> Transition:
    """Returns the transition from one standing of an alert to another."""
    return Transition(
        seq=0,
        fingerprint=after.fingerprint,
        at=now,
        kind=kind,
        from_state=before.state,
        to_state=after.state,
        severity=after.severity,
        firing=after.firing,
        summary=summary,
        value=after.value,
        actor=actor,
        reason=reason,
        told=told,
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
