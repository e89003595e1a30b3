"""A process that dies at a statement of a write transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from coalmine_registry.storage.database import Database


class Killed(BaseException):
    """As the end of the process: nothing catches it."""


@contextmanager
def killed_at(database: Database, number: int | None) -> Iterator[list[str]]:
    """Counts the statements of write transactions, commits included; dies before the one of that number."""
    seen: list[str] = []
    engine = database._engine

    def before(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        note(connection, statement)

    def commit(connection: Any) -> None:
        note(connection, "COMMIT")

    def note(connection: Any, statement: str) -> None:
        if connection.get_execution_options().get("coalmine_writes"):
            seen.append(statement)
            if len(seen) - 1 == number:
                raise Killed

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "commit", commit)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "commit", commit)
