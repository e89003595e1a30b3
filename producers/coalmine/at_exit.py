"""Clients that are still open when their process ends."""

import atexit
import sys
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary, ref


class Closable(Protocol):
    """What is closed: a client's pipeline."""

    def close(self, timeout_s: float) -> bool:
        """Makes everything safe within the time."""

    def close_soon(self, timeout_s: float) -> None:
        """The same without waiting for it."""


_OPEN: Final[WeakKeyDictionary[Closable, float]] = WeakKeyDictionary()


def close_at_exit(pipeline: Closable, timeout_s: float) -> None:
    """Has the pipeline closed when the process ends, within `timeout_s`.

    Not when it is ended by a signal that nobody handles; a service that is stopped by SIGTERM without a
    handler loses what it made in the last moment.
    """
    _OPEN[pipeline] = timeout_s


def close_at_end_of_child(pipeline: Closable) -> None:
    """Has the pipeline closed at the end of a child that ends by `os._exit`, without `atexit`.

    To be called in the child. A child of `multiprocessing`, or of `billiard`, which is Celery's copy of it,
    runs its finalizers at its end; one of Celery's pool sends a signal.
    """
    weak = ref(pipeline)

    def close(*_: object, **__: object) -> None:
        living = weak()
        if living is not None:
            living.close(_OPEN.get(living, 0.0))

    for package in ("multiprocessing", "billiard"):
        process, util = _loaded(f"{package}.process"), _loaded(f"{package}.util")
        # Of the process that was not made by the package it is None. `parent_process` is missing in billiard.
        if process and util and getattr(process.current_process(), "_parent_pid", None) is not None:
            util.Finalize(pipeline, close, exitpriority=10)
    signals = _loaded("celery.signals")
    if signals:
        signals.worker_process_shutdown.connect(close, weak=False)


def _loaded(module: str) -> Any:  # noqa: ANN401
    """A module that the service uses; it would not end by it otherwise."""
    return sys.modules.get(module)


def _close_all() -> None:
    open_ones = dict(_OPEN)
    for pipeline, timeout_s in open_ones.items():
        pipeline.close_soon(timeout_s)
    for pipeline, timeout_s in open_ones.items():
        pipeline.close(timeout_s)


atexit.register(_close_all)
