"""Rules as they are evaluated."""

from coalmine_alerts.results.alerts import Severity
from coalmine_schemas.results import result


@result
class Threshold:
    """A setting of a rule."""

    name: str
    """Name, as `alerts.yaml` has it."""
    value: str
    """Its value, as `alerts.yaml` would have it."""


@result
class KnownRule:
    """A rule that is evaluated."""

    name: str
    """Name of the rule."""
    summary: str
    """What it tells."""
    severity: Severity | None
    """In place of the rule's own; null: as the rule says."""
    thresholds: tuple[Threshold, ...]
    """What can be set of it: `POST /v1/alerts/test` tries other values on the past."""
