"""Draws a transition as JSON, for a receiver of the user's own.

The fields are those of the event `AlertTransition` on Kafka's topic `alerts`; `story` tells it in words.
"""

from typing import Any, Final

from coalmine_alerts.events import stored_event
from coalmine_alerts.grouping import group_key
from coalmine_alerts.messages.texts import flat, one_line
from coalmine_alerts.results.alerts import Alert, Transition

VERSION: Final = 2
"""Of the event, which a receiver may check; fields are only added within one."""
_LIMIT: Final = 2_000


def own_webhook_body(transition: Transition, alert: Alert) -> dict[str, Any]:
    """Returns what is posted for a transition, without anybody's texts."""
    story, now = alert.story, transition.at
    return {
        "event": "alert_transition",
        "event_version": VERSION,
        **stored_event(transition, alert, group_key(alert)),
        "summary": flat(transition.summary, _LIMIT, now),
        "cause": {"kind": alert.cause.kind, "id": alert.cause.id},
        "story": {
            "title": one_line(story.title, 150),
            "summary": flat(story.summary, _LIMIT, now),
            "why": flat(story.why, _LIMIT, now) if story.why else None,
            "details": {one_line(name, 60): flat(text, _LIMIT, now) for name, text in story.details},
            "done": flat(story.done, _LIMIT, now) if story.done else None,
            "could": [flat(text, _LIMIT, now) for text in story.could],
            "sure": flat(story.sure, _LIMIT, now) if story.sure else None,
        },
    }
