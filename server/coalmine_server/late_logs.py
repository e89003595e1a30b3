"""Logging that its first record sets up: what logs nothing imports neither structlog nor, for it, rich.

For commands that ask a server. What logs by structlog itself has to call `configure_now` first.
"""

import logging
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


def configure_later(settings: "LogSettings") -> None:
    """Sets logging up as these settings say, once there is something to log."""
    root = logging.getLogger()
    root.handlers[:] = [_Later(settings)]
    root.setLevel(settings.level.upper())
    quieten()


def configure_now() -> None:
    """Sets logging up if that still waits for something to log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Later):
            handler.configure()


class _Later(logging.Handler):
    def __init__(self, settings: "LogSettings") -> None:
        super().__init__()
        self._settings = settings

    def configure(self) -> None:
        from coalmine_server.logs import configure_logging  # noqa: PLC0415 - imports structlog

        configure_logging(self._settings)

    def emit(self, record: logging.LogRecord) -> None:
        self.configure()  # which puts another handler in the place of this one
        logging.getLogger(record.name).handle(record)
