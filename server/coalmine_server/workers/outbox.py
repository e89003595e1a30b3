"""Empties an outbox: sends what waits there, oldest first, and goes on trying while it cannot be sent."""

import threading
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from confluent_kafka import KafkaException

from coalmine_schemas.errors import Transient
from coalmine_server.workers.worker import Worker

AGAIN_S: Final = 5.0
"""Seconds to wait after a failure."""

_log = structlog.stdlib.get_logger("coalmine.outbox")


class Publisher(Protocol):
    """Sends what waits in one outbox."""

    def publish(self) -> int:
        """Sends one batch and marks what was delivered.

        Returns:
            How many were delivered; 0 when nothing waits.

        Raises:
            Transient: Nothing could be delivered now.
        """
        ...

    def close(self) -> None:
        """Releases what it holds."""
        ...


def outbox_worker(
    name: str, open_publisher: Callable[[threading.Event], Publisher], *, rest_s: float
) -> Worker:
    """A worker that empties an outbox.

    Args:
        name: Of the worker, in logs and metrics.
        open_publisher: Called once, on the worker's thread, with the event that tells it to stop.
        rest_s: Seconds before it looks again after the outbox was empty.
    """
    publisher: Publisher | None = None
    failing = False

    def tick(stop: threading.Event) -> float:
        nonlocal publisher, failing
        if publisher is None:
            publisher = open_publisher(stop)
        try:
            while not stop.is_set() and publisher.publish():
                pass
        except (Transient, KafkaException) as error:
            if not failing:
                _log.warning("events wait in the outbox", worker=name, reason=str(error))
            failing = True
            return AGAIN_S
        if failing:
            _log.info("events are sent again", worker=name)
        failing = False
        return rest_s

    def close() -> None:
        if publisher is not None:
            publisher.close()

    return Worker(name, tick, close=close)
