"""Segment files that are not part of the data: never recorded, or retired long enough ago."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from coalmine_consumers.store import Segment, Store

_RETIRED = """
SELECT path FROM segments WHERE retired_at <= $before AND deleted_at IS NULL ORDER BY retired_at
"""
_MARK_DELETED = """
UPDATE segments SET deleted_at = $now WHERE path IN (SELECT unnest($paths)) AND deleted_at IS NULL
"""
_FORGET = "DELETE FROM segments WHERE deleted_at <= $before"

REMEMBER_DELETED = timedelta(days=7)
"""A deleted segment's manifest row stays this long, to explain where a file went."""


@contextmanager
def discarded_on_error(directory: Path, written: Sequence[Segment]) -> Iterator[None]:
    """Removes the files of `written`, as it is by then, if the block fails.

    The block must not include the transaction's commit: when that fails, it may have succeeded after all.
    """
    try:
        yield
    except BaseException:
        for segment in written:
            (directory / segment.path).unlink(missing_ok=True)
        raise


def delete_retired_files(store: Store, *, grace_s: float, now: datetime) -> list[str]:
    """Deletes files of segments that were retired more than `grace_s` ago.

    A query that began while a segment was live may go on reading its file for that long.

    Returns:
        Paths of the deleted files, relative to the store's folder.
    """
    with store.transaction() as connection:
        retired = connection.execute(_RETIRED, {"before": now - timedelta(seconds=grace_s)}).fetchall()
    paths = [path for (path,) in retired]
    # Files first: a crash in between leaves rows without files, which the next run marks as deleted.
    _unlink(store.directory / path for path in paths)
    with store.transaction() as connection:
        if paths:
            connection.execute(_MARK_DELETED, {"now": now, "paths": paths}).fetchall()
        connection.execute(_FORGET, {"before": now - REMEMBER_DELETED}).fetchall()
    return paths


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()  # of its day, if nothing else is in it
