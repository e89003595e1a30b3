"""A store that is closed when its test is over writes no checkpoint: nobody opens it again."""

from collections.abc import Callable
from contextlib import suppress

import duckdb

from coalmine_consumers.store import Store

_close = Store.close


def skip_last_checkpoints(test_is_over: Callable[[], bool]) -> None:
    """From now on, in this process and those forked from it.

    Args:
        test_is_over: Whether what is closed now stays closed.
    """

    def close(self: Store) -> None:
        if test_is_over():
            with suppress(duckdb.ConnectionException):  # the test has closed it already
                self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        _close(self)

    Store.close = close  # type: ignore[method-assign]
