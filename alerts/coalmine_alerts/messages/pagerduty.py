"""Draws alerts as PagerDuty's events (Events API v2)."""

from typing import Any, Literal

from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert

Action = Literal["trigger", "acknowledge", "resolve"]


def pagerduty_event(
    notice: Notice, alert: Alert, *, action: Action, routing_key: str, dashboard_url: str | None
) -> dict[str, Any]:
    """Returns what `/v2/enqueue` takes for one alert of a notice."""
    del notice, dashboard_url
    return {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": f"{alert.fingerprint}/{alert.firing}",
        "payload": {"summary": alert.story.summary[:1024], "source": "coalmine", "severity": "critical"},
    }


def pagerduty_change_event(
    notice: Notice, alert: Alert, *, routing_key: str, dashboard_url: str | None
) -> dict[str, Any]:
    """Returns what `/v2/change/enqueue` takes: nobody is paged, it is shown beside incidents."""
    del notice, dashboard_url
    return {
        "routing_key": routing_key,
        "payload": {"summary": alert.story.title[:1024], "source": "coalmine"},
    }
