"""Many small writes in few transactions: each returns once it is on disk."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

from sqlalchemy import Connection

from coalmine_registry.storage.database import Database

Item = TypeVar("Item")
_MOST: Final = 500
"""Items of one transaction."""


class GroupWriter(Generic[Item]):
    """Writes to a database from an event loop. What comes while a transaction runs shares the next one.

    Args:
        database: Where to write.
        write: Writes some items.
    """

    def __init__(self, database: Database, write: Callable[[Connection, Sequence[Item]], None]) -> None:
        self._database, self._write = database, write
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def write(self, item: Item) -> None:
        """Writes one item, and returns when nothing can undo it.

        Raises:
            DatabaseUnavailable: The database cannot be written to.
            RegistryBusy: Others held it for too long.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await done

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
                    items = [item for item, _ in batch]
                    await asyncio.to_thread(self._database.write, partial(self._all, items))
                except Exception as error:  # noqa: BLE001 - whoever waits for the write is told
                    failure = error
                for _, done in batch:
                    if done.done():  # nobody waits any more
                        continue
                    if failure is None:
                        done.set_result(None)
                    else:
                        done.set_exception(failure)
        finally:
            self._running = None

    def _all(self, items: Sequence[Item], connection: Connection) -> None:
        self._write(connection, items)
