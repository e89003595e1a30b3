"""How channels stand."""

from datetime import datetime

from coalmine_alerts.results.alerts import Severity
from coalmine_schemas.results import result


@result
class ChannelHealth:
    """How a channel takes what it is sent."""

    channel: str
    waiting: int
    """Transitions that wait to be sent."""
    failing_since: datetime | None
    """When the oldest of those that were tried and wait was tried first; null: none was."""
    unusable: bool
    """True: they wait until a person mends the channel, which takes nothing at all."""
    parked: int
    """Transitions of the last hour that the channel will never take."""
    parked_at: datetime | None
    """When the last one was parked."""
    delivered_at: datetime | None
    """When it last took something."""
    worst: Severity | None
    """Of what it did not take, and of what was tried and waits."""
    error: str | None
    """What it said last."""
    configured: bool = True
    """False: nobody sends what waits, unless it is configured again."""
