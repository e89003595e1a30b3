"""Draws alerts as PagerDuty's events (Events API v2)."""

from typing import Any, Final, Literal

from coalmine_alerts.messages import outline
from coalmine_alerts.messages.texts import cut, flat, one_line
from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, Severity

Action = Literal["trigger", "acknowledge", "resolve"]
SUMMARY_LIMIT: Final = 1024
_SEVERITIES: Final[dict[Severity, str]] = {"page": "critical", "warning": "warning", "info": "info"}
# Of what stands in `custom_details`; an event has at most 512 KB.
_DETAIL_LIMIT: Final = 1000


def pagerduty_event(
    notice: Notice, alert: Alert, *, action: Action, routing_key: str, dashboard_url: str | None
) -> dict[str, Any]:
    """Returns what `/v2/enqueue` takes for one alert of a notice.

    Its key names the alert and its firing: what is sent twice changes nothing, and a new firing opens a new
    incident.
    """
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": cut(f"{alert.fingerprint}/{alert.firing}", 255),
    }
    if action != "trigger":
        return event
    story, now = alert.story, alert.evaluated_at
    details = {
        "summary": flat(story.summary, _DETAIL_LIMIT, now),
        "why": flat(story.why or "", _DETAIL_LIMIT, now),
        **{one_line(name, 60): flat(text, _DETAIL_LIMIT, now) for name, text in story.details[:20]},
        "done so far": flat(story.done or "", _DETAIL_LIMIT, now),
        "you could": [flat(text, _DETAIL_LIMIT, now) for text in story.could[:20]],
        "how sure": flat(story.sure or "", _DETAIL_LIMIT, now),
        "labels": {one_line(name, 60): one_line(text, 200) for name, text in alert.labels.items()},
    }
    source = _source(notice)
    event["payload"] = {
        "summary": _summary(notice, alert),
        "source": source,
        "severity": _SEVERITIES[alert.severity],
        "timestamp": (alert.fired_at or alert.since).isoformat(),
        "component": one_line(alert.labels.get("app") or alert.labels.get("prompt") or source, 200),
        "group": one_line(notice.cause.id, 200),
        "class": one_line(alert.rule, 200),
        "custom_details": {name: said for name, said in details.items() if said},
    }
    return {**event, **_where(notice, dashboard_url)}


def pagerduty_change_event(
    notice: Notice, alert: Alert, *, routing_key: str, dashboard_url: str | None
) -> dict[str, Any]:
    """Returns what `/v2/change/enqueue` takes: nobody is paged, it is shown beside incidents."""
    where = _where(notice, dashboard_url)
    return {
        "routing_key": routing_key,
        "payload": {
            "summary": _summary(notice, alert),
            "source": _source(notice),
            "timestamp": (alert.began_at or alert.since).isoformat(),
            "custom_details": {"summary": flat(alert.story.summary, _DETAIL_LIMIT, alert.evaluated_at)},
        },
        # Change events have no `client`.
        **({"links": where["links"]} if "links" in where else {}),
    }


def _summary(notice: Notice, alert: Alert) -> str:
    told = one_line(alert.story.summary, SUMMARY_LIMIT - 6, alert.evaluated_at) or one_line(
        alert.story.title, 500
    )
    return f"TEST: {told}" if notice.test else told or one_line(alert.rule, 200)


def _source(notice: Notice) -> str:
    return f"coalmine {one_line(notice.environment, 200)}" if notice.environment else "coalmine"


def _where(notice: Notice, dashboard_url: str | None) -> dict[str, Any]:
    links = outline.links(notice, dashboard_url)
    if not links:
        return {}
    return {
        "links": [{"href": link.url, "text": link.text} for link in links],
        "client": "Coalmine",
        "client_url": links[0].url,
    }
