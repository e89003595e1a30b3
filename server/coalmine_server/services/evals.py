"""Evaluations of this process, and what works with them."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from coalmine_evals.storage.open import open_database
from coalmine_registry.storage.database import Database

if TYPE_CHECKING:
    from coalmine_server.services.owned_store import OwnedStore
    from coalmine_server.services.production import Production


class Evaluations:
    """What answers for evaluations; each part is made when it is first asked for."""

    def __init__(self, owned: "OwnedStore") -> None:
        self._owned = owned
        self.clock: Callable[[], datetime] = _utc_now if owned.simulated is None else owned.simulated.clock

    @cached_property
    def database(self) -> Database:
        """The database of evaluations.

        Raises:
            DatabaseTooNew: A newer version of Coalmine has used it.
            DatabaseUnavailable: The file cannot be used now.
        """
        return open_database(self._owned.settings.evals_database)

    @cached_property
    def production(self) -> "Production":
        """What is scored and reviewed of production."""
        from coalmine_server.services.production import Production  # noqa: PLC0415 - imports scorers

        return Production(self._owned)

    def close(self) -> None:
        """Closes the database, if it was opened."""
        if "database" in self.__dict__:
            self.database.close()


def _utc_now() -> datetime:
    return datetime.now(UTC)
