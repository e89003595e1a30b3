"""What shipped versions brought over a period, and how fast and how safely versions ship."""

from datetime import datetime

from coalmine_alerts.results.digest import Shipped
from coalmine_schemas.results import result


@result
class Gain:
    """What all versions that reached everybody, up to one of them, changed of a metric together."""

    environment: str
    prompt: str
    metric: str
    unit: str
    at: datetime
    """When the last of them reached everybody."""
    version: str
    """The last of them."""
    versions: int
    """How many they are."""
    relative: bool
    """True: relative to before the first of them, 0.1 for 10 %. False, for shares: a difference, 0.1 for 10
    points."""
    change: float
    lower: float | None
    """Lower end of its interval: those of the single effects, as errors that are independent; null if one has
    none."""
    upper: float | None
    """Upper end of it."""


@result
class Wins:
    """What shipped versions brought."""

    since: datetime
    until: datetime
    shipped: tuple[Shipped, ...]
    """Rollouts that ended, newest last."""
    complete: bool
    """False: there were more, of which these are the newest."""
    reached_everybody: int
    """Rollouts that completed."""
    rolled_back: int
    """Rollouts that were taken back because of harm."""
    rolled_back_share: float | None
    """Of those that completed or were taken back."""
    rolled_back_lower: float | None
    """Lower end of its 95 % interval (Wilson)."""
    rolled_back_upper: float | None
    """Upper end of it."""
    median_lead_time_s: float | None
    """From registration to everybody."""
    median_rollback_s: float | None
    """From the first user to the last, of versions that were taken back."""
    gains: tuple[Gain, ...]
    """Cumulative, one for each version that reached everybody and each metric that was measured of it."""
