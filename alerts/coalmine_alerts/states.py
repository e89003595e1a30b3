"""The state of one alert, and how a finding changes it. Pure: time, silence and inhibition are arguments.

    ok -> pending -> firing -> resolved (-> pending ...); no_data, where a rule says nothing for a while

What people are told of it is `telling`'s to say.
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Alert, AlertState, Severity
from coalmine_alerts.standing import RANK, Heard, Standing, Step, Surroundings
from coalmine_alerts.telling import notice, tell
from coalmine_alerts.timing import Timing

OVER: dict[str, Any] = {"acknowledged_by": None, "acknowledged_at": None, "no_data_since": None}
"""What ends with a firing."""
NOT_ACCEPTED: dict[str, Any] = {"accepted_by": None, "accepted_at": None, "accepted_value": None}
"""What ends when its condition is False, or it is worse than what was accepted."""


def step(standing: Standing, finding: Finding | None, timing: Timing, around: Surroundings) -> Step:
    """Moves one alert on by one evaluation.

    Args:
        standing: Where it stands.
        finding: What its rule says; None: nothing.
        timing: How the rule's alerts behave in time.
        around: Time, and what holds it back.
    """
    before, now = standing.alert, around.now
    flags = replace(before, silenced_until=around.silenced_until, inhibited_by=around.inhibited_by)
    if finding is not None and finding.notice is not None:
        return notice(standing, flags, finding, now)
    heard = standing.heard
    if finding is None or (finding.condition is None and not finding.ended):
        after, summary = _without_data(flags, timing, now)
    else:
        said = replace(flags, evaluated_at=now, value=_finite(finding.value), no_data_since=None)
        if finding.condition and not finding.ended:
            has_gap = now - before.evaluated_at > timing.no_data_after
            after, heard = _so(Standing(said, heard), finding, timing, now, has_gap=has_gap)
            summary = finding.story.summary
        else:
            after, summary = _not_so(said, finding, timing, now), finding.story.summary
            heard = replace(heard, lower_since=None)
    if after.state != before.state:
        after = replace(after, since=now)
    return tell(standing, replace(standing, alert=after, heard=heard), timing, around, summary)


def _so(
    standing: Standing, finding: Finding, timing: Timing, now: datetime, *, has_gap: bool
) -> tuple[Alert, Heard]:
    said, heard = standing.alert, standing.heard
    since = min(said.true_since or now, now)
    if said.state != "firing" and has_gap:
        since = now
    alert = replace(said, true_since=since, false_since=None)
    if alert.accepted_at is not None:
        accepted, is_worse_than = alert.accepted_value, finding.is_worse_than
        if accepted is None or is_worse_than is None or not is_worse_than(accepted):
            return alert, heard
        since = now
        alert = replace(alert, true_since=since, **NOT_ACCEPTED)
    severity, lower_since = _severity(alert, heard, finding, timing, now)
    heard = replace(heard, lower_since=lower_since)
    # People have a message of its group, which must change: it stays there until it is over.
    cause = finding.cause if alert.state != "firing" or heard.what is None else alert.cause
    began_at = finding.since or (alert.began_at if alert.state == "firing" else since)
    alert = replace(alert, severity=severity, story=finding.story, cause=cause, began_at=began_at)
    if alert.state == "firing":
        return alert, heard
    if now - since < timing.for_:
        return replace(alert, state="pending"), heard
    return replace(alert, state="firing", firing=alert.firing + 1, fired_at=now, **OVER), heard


def _severity(
    alert: Alert, heard: Heard, finding: Finding, timing: Timing, now: datetime
) -> tuple[Severity, datetime | None]:
    """Rises at once, and falls when it has been lower for a while: a page must not come and go."""
    if alert.state != "firing" or RANK[finding.severity] >= RANK[alert.severity]:
        return finding.severity, None
    since = min(heard.lower_since or now, now)
    if now - since < timing.keep_firing_for:
        return alert.severity, since
    return finding.severity, None


def _not_so(said: Alert, finding: Finding, timing: Timing, now: datetime) -> Alert:
    since = min(said.false_since or now, now)
    alert = replace(
        said,
        true_since=None,
        false_since=None if finding.ended else since,
        **NOT_ACCEPTED,
    )
    if alert.state == "firing":
        return replace(alert, state="resolved", **OVER) if _is_over(since, finding, timing, now) else alert
    return replace(alert, state="resolved" if alert.state == "resolved" else "ok")


def _is_over(since: datetime, finding: Finding, timing: Timing, now: datetime) -> bool:
    if finding.ended:
        return True
    is_well = finding.recovered is True if timing.latch else finding.recovered is not False
    return is_well and now - since >= timing.keep_firing_for


def _without_data(alert: Alert, timing: Timing, now: datetime) -> tuple[Alert, str]:
    waits = alert.state in ("pending", "firing") or (
        timing.on_no_data == "alert"
        and alert.state != "no_data"
        # Not of what has ended: nothing is expected of it any more.
        and (alert.true_since is not None or alert.false_since is not None)
    )
    if not waits:
        return alert, ""
    since = min(alert.no_data_since or now, now)
    alert = replace(alert, no_data_since=since)
    if now - since < timing.no_data_after:
        return alert, ""
    summary = f"no data for {_minutes(now - since)}"
    if timing.on_no_data == "ok":
        state: AlertState = "resolved" if alert.state == "firing" else "ok"
        return replace(
            alert, state=state, true_since=None, false_since=None, **OVER
        ), f"{summary}: taken as over"
    if alert.state == "firing":
        return alert, f"{summary}: it fires on"
    return replace(alert, state="no_data", true_since=None), summary


def _minutes(duration: timedelta) -> str:
    return f"{round(duration / timedelta(minutes=1))} min"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
