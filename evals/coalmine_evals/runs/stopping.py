"""Ends early what asks models: a signal of another thread is passed on, and nothing more is sent."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from coalmine_evals.providers.open import OpenModels

_LOOK_S: Final = 0.2


@asynccontextmanager
async def stopped_by(
    signalled: threading.Event, on_stop: Callable[[], None] = lambda: None
) -> AsyncIterator[asyncio.Event]:
    """Yields an event that is set soon after that of another thread.

    Args:
        signalled: Set by a signal, or by whoever ends a worker.
        on_stop: Called once, before the event is set.
    """
    stop = asyncio.Event()

    async def watch() -> None:
        while not signalled.is_set():
            await asyncio.sleep(_LOOK_S)
        on_stop()
        stop.set()

    watching = asyncio.create_task(watch())
    try:
        yield stop
    finally:
        watching.cancel()


@asynccontextmanager
async def halted_by(stop: asyncio.Event, models: OpenModels) -> AsyncIterator[None]:
    """Lets nothing more be asked for once it is set: most of what waits has not been sent."""

    async def halt() -> None:
        await stop.wait()
        models.halt()

    halting = asyncio.create_task(halt())
    try:
        yield
    finally:
        halting.cancel()
