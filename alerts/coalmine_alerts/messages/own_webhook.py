"""Draws a transition as JSON, for a receiver of the user's own."""

from typing import Any

from coalmine_alerts.results.alerts import Alert, Transition


def own_webhook_body(transition: Transition, alert: Alert) -> dict[str, Any]:
    """Returns the event `AlertTransition` as JSON, with the story in words."""
    return {
        "fingerprint": alert.fingerprint,
        "rule": alert.rule,
        "seq": transition.seq,
        "state": transition.to_state,
    }
