"""What was told to whom: what the API serves of deliveries and messages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from coalmine_alerts.results.alerts import Transition
from coalmine_schemas.results import result


@result
class Delivery:
    """One transition on its way to one channel."""

    channel: str
    state: str
    """`waiting`; `delivered`; `merged`, told together with a later one; `parked`, refused for good."""
    attempts: int
    due_at: datetime
    done_at: datetime | None
    error: str | None
    """Why it was not taken last."""
    message: int | None
    """Id of the message that told it."""


@result
class ToldTransition:
    """A change of an alert, and who was told of it."""

    transition: Transition
    rule: str
    labels: Mapping[str, str]
    deliveries: tuple[Delivery, ...]


@result
class Runbook:
    """What to do about the alerts of a rule."""

    rule: str
    text: str
    """What to do, in Markdown."""


@result
class Message:
    """A message as it was sent, or changed, last."""

    id: int
    """Ascending, without meaning."""
    channel: str
    group: str
    """`environment|kind|id` of the cause of its alerts."""
    open: bool
    """True: it changes as its alerts do."""
    created_at: datetime
    changed_at: datetime
    text: str
    """As people read it first."""
    body: Mapping[str, Any] | None
    """As the channel got it; null for who may not see texts of users that it may have."""
    html: str | None = None
    """As people see it, for messages of Slack; null like `body`."""
