"""What the options before the command's name say, the settings that follow from them, and tidy ends."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from coalmine_server.settings import LoadedSettings, LogSettings, Settings


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options that all commands share."""

    home: Path | None = None
    config: Path | None = None
    log_level: str | None = None
    log_format: str | None = None

    def load(self, **overrides: object) -> LoadedSettings:
        """All settings; `overrides` by dotted name with `__` for the dot: `server__port=8000`."""
        from coalmine_server.settings import check_prices, load_settings

        common = {"home": self.home, "log.level": self.log_level, "log.format": self.log_format}
        own = {name.replace("__", "."): value for name, value in overrides.items()}
        loaded = load_settings({**common, **own}, config=self.config)
        check_prices(loaded.settings)
        return loaded

    def settings(self, *, quiet: bool = True, asks: bool = False, **overrides: object) -> Settings:
        """All settings, with logging set up as they say.

        Args:
            quiet: Log only warnings and errors, unless somebody has set a level.
            asks: True for a command that asks a server, as a rule: logging is set up by the first record.
            overrides: As in `load`.
        """
        loaded = self.load(**overrides)
        log = loaded.settings.log
        if quiet and loaded.origins["log.level"].kind == "default":
            log = log.model_copy(update={"level": "warning"})
        if asks:
            from coalmine_server.late_logs import configure_later

            configure_later(log, _configure_logging)
        else:
            _configure_logging(log)
        if loaded.ignored:
            names = ", ".join(loaded.ignored)
            logging.getLogger("coalmine.settings").info(
                "ignoring what Kubernetes sets for a service: %s", names
            )
        return loaded.settings


def _configure_logging(settings: LogSettings) -> None:
    from coalmine_server.logs import configure_logging  # imports structlog

    configure_logging(settings)


def invocation(context: typer.Context) -> Invocation:
    """The shared options of the running command."""
    found = context.find_object(Invocation)
    return Invocation() if found is None else found


_ENDS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


def _is_left_alone(number: signal.Signals) -> bool:
    """Returns True for a closed terminal if `nohup` began the command: it is to go on."""
    return number not in (signal.SIGINT, signal.SIGTERM) and signal.getsignal(number) is signal.SIG_IGN


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM or a closed terminal sets, for tidy ends; a second one interrupts."""
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt(number)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in _ENDS if not _is_left_alone(number)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
