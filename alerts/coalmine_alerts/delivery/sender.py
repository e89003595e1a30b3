"""Sends what is due."""

from collections.abc import Callable, Mapping
from datetime import datetime

from coalmine_alerts.delivery.channels import Channel
from coalmine_registry.storage.database import Database


class Sender:
    """Empties the outbox of alerts."""

    def __init__(
        self, database: Database, channels: Mapping[str, Channel], *, clock: Callable[[], datetime]
    ) -> None:
        """Prepares; channels are closed with it."""
        raise NotImplementedError

    def send_due(self) -> int:
        """Sends what is due on every channel, each on a thread of its own, for a few seconds at most.

        Returns:
            How many messages were taken. A failure is kept with the rows and logged, never raised.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Closes the channels."""
