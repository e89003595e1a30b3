"""Which requests a query is about."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Filters:
    """None leaves a dimension open."""

    prompt: str | None = None
    version: str | None = None
    environment: str | None = None
    app: str | None = None
    since: datetime | None = None
    """Requests that began at or after this, rounded down to the finest resolution kept for that time."""
    until: datetime | None = None
    """Requests that began before this, rounded up likewise."""

    def parameters(self) -> dict[str, str | None]:
        """The dimensions as SQL parameters."""
        return {
            "prompt": self.prompt,
            "version": self.version,
            "environment": self.environment,
            "app": self.app,
        }
