"""A copy of a store as of one moment, made while its owner goes on writing."""

import os
import secrets
import shutil
from pathlib import Path

import duckdb

from coalmine_consumers.sql import quote_identifier, quote_literal
from coalmine_consumers.store.store import DATABASE_FILE, Store
from coalmine_schemas.atomic_file import make_private_folder

_LIVE = "SELECT path FROM segments WHERE retired_at IS NULL ORDER BY path"
_TABLES = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() ORDER BY table_name"
)


def copy_store(store: Store, folder: Path) -> None:
    """Copies the database and the live segment files into a new folder.

    Files are linked where the file system can: they never change, and one that the store removes meanwhile
    stays here. The database is copied table by table in one transaction that only reads.

    Args:
        store: Of this process.
        folder: It is made, and becomes what `Store.open` opens.
    """
    make_private_folder(folder)
    name = f"copy_{secrets.token_hex(4)}"
    with store.cursor() as cursor:
        (own,) = cursor.execute("SELECT current_database()").fetchall()[0]
        cursor.execute(f"ATTACH {quote_literal(str(folder / DATABASE_FILE))} AS {name}").fetchall()
        try:
            cursor.begin()
            try:
                for (path,) in cursor.execute(_LIVE).fetchall():
                    _link(store.directory / path, folder / path)
                _copy_tables(cursor, str(own), name)
                cursor.commit()
            except BaseException:
                cursor.rollback()
                raise
        finally:
            cursor.execute(f"DETACH {name}").fetchall()


def table_counts(database: Path) -> dict[str, int]:
    """Rows by table of a database that nobody has open; of raw rows in files, what its manifest says."""
    with duckdb.connect(database, read_only=True, config={"autoinstall_known_extensions": False}) as opened:
        counts = {}
        for (table,) in opened.execute(_TABLES).fetchall():
            ((counts[str(table)],),) = opened.execute(
                f"SELECT count(*) FROM {quote_identifier(str(table))}"  # noqa: S608 - quoted
            ).fetchall()
        for event, rows in opened.execute(
            "SELECT event, sum(rows)::BIGINT FROM segments WHERE retired_at IS NULL GROUP BY event"
        ).fetchall():
            counts[f"{event} in files"] = rows
    return counts


def _copy_tables(cursor: duckdb.DuckDBPyConnection, own: str, into: str) -> None:
    """Copies every table with its columns' rules. Views name files by their place: opening makes them."""
    for table, sql in cursor.execute(
        "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = $1 AND NOT temporary", [own]
    ).fetchall():
        named = quote_identifier(str(table))
        cursor.execute(str(sql).replace("CREATE TABLE ", f"CREATE TABLE {into}.", 1)).fetchall()
        cursor.execute(
            f"INSERT INTO {into}.{named} BY NAME SELECT * FROM {quote_identifier(own)}.{named}"  # noqa: S608
        ).fetchall()


def _link(source: Path, target: Path) -> None:
    make_private_folder(target.parent)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
