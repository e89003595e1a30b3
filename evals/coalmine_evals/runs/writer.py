"""Many small writes in few transactions: each returns once it is on disk."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection

from coalmine_registry.storage.database import Database

_MOST: Final = 500
"""Writes of one transaction."""


class GroupWriter:
    """Writes to a database from an event loop. What comes while a transaction runs shares the next one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Callable[[Connection], Any], asyncio.Future[None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def write(self, work: Callable[[Connection], Any]) -> None:
        """Carries out one write, and returns when nothing can undo it.

        Raises:
            DatabaseUnavailable: The database cannot be written to.
            RegistryBusy: Others held it for too long.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        # Shielded, because a transaction that began is finished.
        await asyncio.shield(done)

    async def settle(self) -> None:
        """Waits until nothing is left to write."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                failure: Exception | None = None
                try:
                    await asyncio.to_thread(self._database.write, lambda each, b=batch: _all(each, b))
                except Exception as error:  # noqa: BLE001 - whoever waits for the write is told
                    failure = error
                for _, done in batch:
                    if done.cancelled():
                        continue
                    if failure is None:
                        done.set_result(None)
                    else:
                        done.set_exception(failure)
        finally:
            self._running = None


def _all(connection: Connection, batch: list[tuple[Callable[[Connection], Any], Any]]) -> None:
    for work, _ in batch:
        work(connection)
