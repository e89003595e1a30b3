"""Days that drift detection leaves out."""

from datetime import date, datetime

from coalmine_schemas.results import result


@result
class DayIgnored:
    """A day that is ignored, or counts again: by an act of a person, or by the settings."""

    prompt: str
    """Name of the prompt, of which each version ignores it."""
    environment: str | None
    """The only environment that ignores it; null for all."""
    day: date
    """The day, in UTC."""
    ignored: bool
    """False: the day counts again."""
    reason: str
    """Why, as given with the act."""
    acted_by: str | None
    """Subject of the token; null where the settings name the day."""
    acted_at: datetime | None
    """When; null where the settings name the day."""
