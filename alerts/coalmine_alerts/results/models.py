"""Models in use, and when their providers take them off."""

from datetime import date, datetime

from coalmine_schemas.results import result


@result
class CalendarModel:
    """A model that answered in the last 30 days in an environment, and its end if one is announced."""

    environment: str
    """Name of the environment."""
    model: str
    """Name of the model: the response's where there is one, else the request's."""
    prompts: list[str]
    """Prompts that it answers for, those with the most requests first; at most 20."""
    prompts_in_all: int
    """Number of all of them."""
    requests: int
    """LLM calls in the last 30 days."""
    first_seen: datetime
    """Start of the first call that it answered there, UTC."""
    last_seen: datetime
    """Start of the last one, UTC."""
    ends: date | None
    """From then on its provider refuses requests; null: no end is known."""
    provider: str | None
    """Who takes it off; null if no end is known, or it is not said by whom."""
    replacement: str | None
    """What the provider proposes in its place; null if it proposes nothing."""
