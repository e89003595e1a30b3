"""Which requests a query is about."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from coalmine_consumers.queries.cover import BEGINNING, END
from coalmine_schemas.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Filters:
    """None does not filter."""

    prompt: str | None = None
    version: str | None = None
    environment: str | None = None
    app: str | None = None
    model: str | None = None
    """The model that answered: the response's name where there is one, else the request's."""
    since: datetime | None = None
    """Requests that began at or after this, rounded down to the finest resolution kept for that time."""
    until: datetime | None = None
    """Requests that began before this, rounded up likewise."""
    preferred: bool | None = None
    """Only requests whose user preferred the version among those offered, or none of them."""
    among: tuple[str, ...] | None = None
    """Only prompts whose names match one of these patterns, in which `*` and `?` stand for letters."""

    def __post_init__(self) -> None:
        """Moves ends that lie beyond all events closer, so that no calculation overflows.

        Raises:
            InvalidParameter: A time has no offset from UTC.
        """
        for moment in (self.since, self.until):
            if moment is not None and moment.utcoffset() is None:
                raise InvalidParameter("a time needs an offset from UTC")
        last_day = END - timedelta(days=1)
        since = None if self.since is None or self.since <= BEGINNING else min(self.since, last_day)
        until = None if self.until is None or self.until >= last_day else max(self.until, BEGINNING)
        object.__setattr__(self, "since", since)
        object.__setattr__(self, "until", until)

    def parameters(self) -> dict[str, str | list[str] | None]:
        """The dimensions as SQL parameters."""
        return {
            "prompt": self.prompt,
            "among": None if self.among is None else [*self.among],
            "version": self.version,
            "environment": self.environment,
            "app": self.app,
            "model": self.model,
        }
