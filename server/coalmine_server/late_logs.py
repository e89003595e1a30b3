"""Logging that its first record sets up: what logs nothing imports neither structlog nor, for it, rich.

For commands that ask a server. What logs by structlog itself has to call `configure_now` first.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coalmine_server.settings import LogSettings

_QUIET = ("httpx2", "httpcore2", "asyncio", "fastavro", "uvicorn.error")


def quieten() -> None:
    """Has libraries log warnings and errors only, and Python's own warnings be logged."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # uvicorn's own access lines have the query; ours, in the API's middleware, do not.
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(capture=True)


def configure_later(settings: "LogSettings", configure: Callable[["LogSettings"], None]) -> None:
    """Sets logging up as these settings say, once there is something to log.

    Args:
        settings: Of logs.
        configure: Sets it up.
    """
    root = logging.getLogger()
    root.handlers[:] = [_Later(lambda: configure(settings))]
    root.setLevel(settings.level.upper())
    quieten()


def configure_now() -> None:
    """Sets logging up if that still waits for something to log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Later):
            handler.configure()


class _Later(logging.Handler):
    def __init__(self, configure: Callable[[], None]) -> None:
        super().__init__()
        self.configure = configure

    def emit(self, record: logging.LogRecord) -> None:
        self.configure()  # which puts another handler in the place of this one
        logging.getLogger(record.name).handle(record)
