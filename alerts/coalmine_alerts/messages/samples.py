"""One notice of each kind: for previews, `send-test` and tests."""

from collections.abc import Mapping
from datetime import datetime

from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, Cause
from coalmine_alerts.results.story import Story


def samples(now: datetime) -> Mapping[str, Notice]:
    """Returns the notices by name, marked as tests, as they would be told at this time."""
    story = Story(
        title="Quality fell 5.2 % · summarize 1.1.0 · prod", summary="Quality of summarize 1.1.0 (prod) fell."
    )
    cause = Cause("prompt", "summarize")
    alert = Alert(
        "0123456789abcdef",
        "quality_drift",
        {"environment": "prod", "prompt": "summarize", "version": "1.1.0"},
        "firing",
        "warning",
        cause,
        now,
        now,
        now,
        1,
        -0.052,
        story,
        now,
        now,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
    )
    return {
        "regression": Notice(
            group="prod|prompt|summarize", cause=cause, environment="prod", alerts=(alert,), test=True
        )
    }
