"""The transaction that operations work in."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table

from coalmine_registry.operations.content_cache import ContentCache
from coalmine_registry.records import Policy

ArmsToPromote = Callable[[str], Collection[str] | None]
"""Returns the arms that the readout of an experiment says to promote; None if there is no readout to ask."""


HasSuite = Callable[[str], bool]
"""Returns True if a prompt has a suite of evaluations."""


def no_suites(_prompt: str) -> bool:
    """Returns False: a registry alone has no suites."""
    return False


def no_readouts(_experiment: str) -> None:
    """Returns None: a registry alone has no readouts."""


@dataclass(slots=True)
class Transaction:
    """One transaction on the registry's database."""

    connection: Connection
    now: datetime
    """Time of the transaction, which all its rows carry."""
    contents: ContentCache
    arms_to_promote: ArmsToPromote = no_readouts
    has_suite: HasSuite = no_suites
    rollout: tuple[str, int] | None = None
    """Rollout and number of its decision that makes the changes; None if none does."""
    changed: dict[str, int] = field(default_factory=dict)
    """New revision by environment that it changed."""
    policies: dict[str, Policy] = field(default_factory=dict)
    """By environment, as far as it has read them: others cannot change them meanwhile."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undoes what is done in the block if that raises, and nothing else."""
        changed = dict(self.changed)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self.policies.clear()
            self.changed.clear()
            self.changed.update(changed)
            raise

    def one(self, query: Select[Any]) -> Row[Any] | None:
        """Returns the first row, or None."""
        return self.connection.execute(query).first()

    def all(self, query: Select[Any]) -> list[Row[Any]]:
        """Returns all rows."""
        return list(self.connection.execute(query).all())

    def insert(self, table: Table, values: Mapping[str, Any]) -> None:
        """Adds one row."""
        self.connection.execute(table.insert().values(dict(values)))

    def update(self, table: Table, where: ColumnElement[bool], values: Mapping[str, Any]) -> int:
        """Changes rows; returns how many."""
        return int(self.connection.execute(table.update().where(where).values(dict(values))).rowcount)
