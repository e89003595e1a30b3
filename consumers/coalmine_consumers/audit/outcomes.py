"""Compares where late outcomes are attributed to with the last calls before them, looked up anew."""

from datetime import UTC, datetime

import duckdb

from coalmine_consumers.aggregation.late import OUTCOME_WINDOW_US
from coalmine_consumers.results import AuditCheck
from coalmine_consumers.sql import fetch_rows, statement


def check_outcomes(cursor: duckdb.DuckDBPyConnection, requests: str) -> AuditCheck:
    """Looks up every outcome that is settled. Those of an expired call stay with it.

    Args:
        cursor: Inside the audit's snapshot.
        requests: A relation of all raw requests.
    """
    exposures = statement("last_exposures", "coalmine_consumers.store").format(
        requests=requests, outcomes="late_outcomes"
    )
    query = statement("outcome_differences", __package__).format(exposures=exposures, requests=requests)
    ever = {"first": datetime(1970, 1, 1, tzinfo=UTC), "last": datetime(9999, 1, 1, tzinfo=UTC)}
    (row,) = fetch_rows(cursor, query, {"window_us": OUTCOME_WINDOW_US, **ever})
    return AuditCheck(
        "late outcomes",
        not row["wrong"],
        row["outcomes"],
        row["outcomes"] - row["wrong"],
        "every late outcome counts for the last call of its unit or session before it, within the window",
    )
