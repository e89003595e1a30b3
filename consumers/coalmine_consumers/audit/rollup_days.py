"""Compares rollups with raw rows day by day, and between resolutions."""

import duckdb

from coalmine_consumers.maintenance.horizon import raw_horizon, rollups_kept_from
from coalmine_consumers.results import AuditCheck
from coalmine_consumers.sql import fetch_rows, statement

MOST_DAYS = 5
"""At most this many days are named."""


def check_days(cursor: duckdb.DuckDBPyConnection, requests: str) -> AuditCheck:
    """Checks that rollups count as many requests as there are rows, on each day with all of its raw rows.

    Args:
        cursor: Inside the audit's snapshot.
        requests: A relation of all raw requests; none may be missing.
    """
    query = statement("day_differences", __package__).format(requests=requests)
    days = fetch_rows(cursor, query, {"horizon": max(raw_horizon(cursor), rollups_kept_from(cursor)["day"])})
    told = [
        f"{row['bucket_start']:%Y-%m-%d} has {row['in_rows']:,} rows, {row['in_rollups']:,} in rollups"
        for row in days
    ]
    return _check("rollups of each day", told, "rollups count the requests of each day that are there")


def check_resolutions(cursor: duckdb.DuckDBPyConnection) -> AuditCheck:
    """Checks that minutes and hours add up to their days."""
    kept = rollups_kept_from(cursor)
    parameters = {"minute": kept["minute"], "hour": kept["hour"]}
    rows = fetch_rows(cursor, statement("resolution_differences", __package__), parameters)
    told = [
        f"{row['resolution']}s of {row['day_start']:%Y-%m-%d} count {row['requests_of_finer']:,} requests, "
        f"the day {row['requests_of_day']:,}"
        for row in rows
    ]
    return _check("resolutions of rollups", told, "minutes and hours add up to days")


def _check(name: str, told: list[str], explanation: str) -> AuditCheck:
    shown = "; ".join(told[:MOST_DAYS])
    if len(told) > MOST_DAYS:
        shown += f"; and {len(told) - MOST_DAYS:,} more"
    return AuditCheck(name, not told, 0, len(told), f"{explanation}: {shown}" if told else explanation)
