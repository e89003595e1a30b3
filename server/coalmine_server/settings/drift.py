"""Settings of drift: how long a reference is, and how rare a false alarm has to be."""

from pydantic import Field

from coalmine_server.settings.sections import Section


class DriftSettings(Section):
    """Drift of versions that nobody changed."""

    reference_days: int = Field(default=14, ge=3, le=366)
    """A version is compared with its first so many whole days with requests; once frozen they stay."""
    reference_requests: int = Field(default=1_000, ge=100)
    """The reference goes on until it has so many requests."""
    false_alarm_days: float = Field(default=365.0, gt=0, allow_inf_nan=False)
    """Average run length to a false alarm of a version in an environment, all its metrics together."""
    tolerance: float = Field(default=1 / 3, ge=0, lt=1)
    """A lasting shift of this share of a metric's margin is no drift."""
    sum_up_every_s: float = Field(default=1_800.0, gt=0)
    """How often the server sums up new hours, so that they outlive their raw events."""
