"""Copies of the databases beside the store: SQLite files, and a registry in PostgreSQL."""

import os
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url

from coalmine_consumers.sql import quote_identifier
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.errors import CheckFailed, ConfigurationError, Unavailable

DUMP: Final = "registry.pgdump"
"""File of a registry in PostgreSQL, in the custom format of pg_dump."""


def copy_sqlite(source: Path, target: Path) -> dict[str, int]:
    """Copies a database that others write as of one moment; returns its rows by table."""
    reading = f"{source.as_uri()}?mode=ro"
    with closing(sqlite3.connect(reading, uri=True)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whose digest says everything
    target.chmod(0o600)
    return sqlite_counts(target)


def sqlite_counts(path: Path) -> dict[str, int]:
    """Rows by table.

    Raises:
        CheckFailed: The file is damaged.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as opened:
        ((found,),) = opened.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise CheckFailed(f"{path} is damaged: {found}")
        tables = opened.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        names = sorted(name for (name,) in tables.fetchall())
        return {
            name: opened.execute(f"SELECT count(*) FROM {quote_identifier(name)}").fetchone()[0]  # noqa: S608
            for name in names
        }


def dump_postgresql(url: str, target: Path) -> dict[str, int]:
    """Dumps a registry, and counts its rows, as of one moment.

    Raises:
        Unavailable: It does not answer.
        InvalidParameter: pg_dump is missing or fails: it has to be as new as the server.
    """
    import psycopg  # noqa: PLC0415 - only where there is one

    try:
        with psycopg.connect(_plain(url)) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
            counts = _postgresql_counts(connection)
            moment = "" if snapshot is None else str(snapshot[0])
            into = (f"--file={target}", f"--dbname={_place(url)}")
            _run(url, "pg_dump", "--format=custom", "--no-owner", f"--snapshot={moment}", *into)
    except psycopg.Error as error:
        raise Unavailable(f"the registry in PostgreSQL cannot be read: {error}") from error
    target.chmod(0o600)
    return counts


def restore_postgresql(url: str, dump: Path) -> dict[str, int]:
    """Fills an empty database with a dump; returns its rows by table.

    Raises:
        ConfigurationError: The database has tables.
        Unavailable: It does not answer.
        InvalidParameter: pg_restore is missing or fails.
    """
    import psycopg  # noqa: PLC0415

    try:
        with psycopg.connect(_plain(url)) as connection:
            if _postgresql_counts(connection):
                raise ConfigurationError(
                    "the database of registry.url has tables", "name an empty one in registry.url"
                )
        place = f"--dbname={_place(url)}"
        _run(url, "pg_restore", "--no-owner", "--single-transaction", place, str(dump))
        with psycopg.connect(_plain(url)) as connection:
            return _postgresql_counts(connection)
    except psycopg.Error as error:
        raise Unavailable(f"the registry in PostgreSQL cannot be written: {error}") from error


def _postgresql_counts(connection: object) -> dict[str, int]:
    import psycopg  # noqa: PLC0415

    assert isinstance(connection, psycopg.Connection)
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return {
        str(name): connection.execute(f"SELECT count(*) FROM {quote_identifier(str(name))}").fetchone()[0]  # type: ignore[index] # noqa: S608
        for (name,) in tables.fetchall()
    }


def _plain(url: str) -> str:
    """The URL as PostgreSQL's own library takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _place(url: str) -> str:
    """The same, without the password."""
    found = make_url(url)
    place = URL.create(
        "postgresql", found.username, None, found.host, found.port, found.database, found.query
    )
    return place.render_as_string()


def _run(url: str, program: str, *options: str) -> None:
    """Runs a tool of PostgreSQL. The password is in its environment, where other users do not see it."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            [program, *options], env=_environment(make_url(url)), capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise InvalidParameter(
            f"{program} is not installed, which a registry in PostgreSQL needs: install its client programs"
        ) from error
    if done.returncode:
        raise InvalidParameter(f"{program} failed: {done.stderr.strip()[:500]}")


def _environment(url: URL) -> Mapping[str, str]:
    own = {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "")}
    return own if url.password is None else {**own, "PGPASSWORD": str(url.password)}
