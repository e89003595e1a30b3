"""What the registry returns of freezes and of going back in a hurry."""

from datetime import datetime

from coalmine_schemas.results import result


@result
class FreezeRecord:
    """A time in which what is served may only go back."""

    id: int
    """Number of the freeze, for ending it."""
    environment: str | None
    """Environment that it is for; null for all."""
    prompt: str | None
    """Prompt that it is for; null for all."""
    reason: str
    """Reason given with it."""
    frozen_by: str
    """Subject of the token that made it."""
    starts_at: datetime
    """When it begins to count."""
    until: datetime | None
    """When it ends by itself; null if somebody has to end it."""
    ended_by: str | None
    """Subject of the token that ended it; null if nobody has."""
    ended_at: datetime | None
    """When somebody ended it; null if nobody has."""


@result
class PanicEnvironment:
    """What a panic did in one environment."""

    environment: str
    """Environment that serves the prompt."""
    revision: int
    """Revision of the deployment after it."""
    before: str
    """Default version before it; of an experiment, the version it returned to."""
    version: str
    """Version that is served by default after it."""
    changed: bool
    """False if nothing was left to go back from."""
    experiments: tuple[str, ...]
    """Experiments that it ended."""
    rollouts: tuple[str, ...]
    """Rollouts that it ended."""


@result
class Panic:
    """What a panic did: everything goes back to what served before, and stays there."""

    prompt: str
    """Name of the prompt in the registry."""
    environments: tuple[PanicEnvironment, ...]
    """The environments that serve it."""
    freeze: FreezeRecord
    """Freeze that keeps it so until somebody ends it."""
