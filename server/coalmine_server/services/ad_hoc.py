"""What analysts ask for: SQL, a statement at a time, with its rows as JSON, and exports."""

import math
import shutil
import threading
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from coalmine_consumers.ad_hoc import Limits, export, run_query
from coalmine_consumers.results import Export, ExportFormat, SqlAnswer, SqlColumn
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.identifiers import uuid7
from coalmine_server.errors import Unavailable
from coalmine_server.services.moment_parameter import check_period
from coalmine_server.services.owned_store import OwnedStore

EXPORTS: Final = "exports"
"""Folder of the home where exports are written; whoever asked for one moves it away."""
WAIT_S: Final = 20.0
"""How long a statement waits for the one before it."""

_one_at_a_time = threading.Lock()


def answer_sql(
    owned: OwnedStore, statement: str, limits: Limits, *, private: bool, gone: threading.Event | None = None
) -> SqlAnswer:
    """Runs a statement; see `coalmine_consumers.ad_hoc.run_query`.

    One at a time, so that the memory of one is the most that they take.

    Raises:
        InvalidParameter: It cannot be run, or takes more than the limits.
        Unavailable: Another one runs.
    """
    if not _one_at_a_time.acquire(timeout=WAIT_S):
        raise Unavailable("another statement runs", "ask again when it is done, in five minutes at most")
    try:
        found, more = run_query(owned.store, statement, limits, private=private, gone=gone)
    finally:
        _one_at_a_time.release()
    columns = [SqlColumn(field.name, str(field.type)) for field in found.schema]
    try:
        values = [[_plain(value) for value in column.to_pylist()] for column in found.columns]
    except (OverflowError, ValueError) as error:  # DuckDB has times up to the year 294247, Python up to 9999
        raise InvalidParameter(f"sql: {error}: cast times beyond the years 1 to 9999 to VARCHAR") from error
    rows = [list(row) for row in zip(*values, strict=True)]
    return SqlAnswer(columns, rows, complete=not more, private=private)


def exported(
    owned: OwnedStore, to: ExportFormat, since: datetime | None, until: datetime | None, *, private: bool
) -> Export:
    """Writes an export below the home; see `coalmine_consumers.ad_hoc.export`.

    Raises:
        InvalidParameter: The period is empty.
    """
    check_period(since, until)
    folder = owned.settings.home / EXPORTS / str(uuid7())
    try:
        tables = export(owned.store, folder, to, since=since, until=until, private=private)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Export(str(folder), to, since, until, private, tables)


def _plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - one line for each kind
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value
