"""Parses and runs an analyst's statement on a snapshot, in a process that cannot reach anything else.

DuckDB counts no single value as memory (`repeat('x', 2000000000)`), and looks between chunks only whether it
is to stop: inside the server one statement could end ingest. A process can be limited, and ended.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from coalmine_consumers.ad_hoc import process
from coalmine_consumers.ad_hoc.check import check_length, tables_of
from coalmine_consumers.ad_hoc.folders import own_folder
from coalmine_consumers.ad_hoc.process import ANSWER, DATABASE, Limits, Task, too_large, too_slow
from coalmine_consumers.ad_hoc.tables import public_columns
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.sql import quote_identifier, quote_literal
from coalmine_consumers.store import Store
from coalmine_consumers.store.views import live_paths, segment_scan
from coalmine_schemas.errors import InvalidParameter

_HIDDEN: Final = "hidden"
"""Schema of tables with columns that not everybody sees: statements may name no schema and so reach none."""
_GRACE_S: Final = 5.0
"""Longest time that the process takes to start, and to stop by itself when its time is over."""
_LOOK_EVERY_S: Final = 0.1
"""How often it is looked whether somebody waits for the answer still."""


def run_query(
    store: Store,
    statement: str,
    limits: Limits | None = None,
    *,
    private: bool = False,
    gone: threading.Event | None = None,
) -> tuple[pa.Table, bool]:
    """Runs one SELECT on the state of the store as of now; ingest goes on meanwhile.

    Args:
        store: Of this process.
        statement: See `tables_of`.
        limits: What it may take.
        private: True to show texts and identifiers of users.
        gone: Set once nobody waits for the answer any more: the statement is ended.

    Returns:
        The rows, and whether there are more than the limit.

    Raises:
        InvalidParameter: The statement is wrong, reads what it may not, or takes more than the limits.
    """
    limits = limits or Limits()
    gone = gone or threading.Event()
    check_length(statement)
    with own_folder() as folder:
        with _process(folder) as process:
            tree = _ask(process, {"statement": statement, "limits": asdict(limits)}, limits, gone)
            views, files = _lend_all(store, folder, tables_of(tree), private=private)
            why_not = json.loads(_ask(process, asdict(Task(str(folder), views, files)), limits, gone))
        if why_not is not None:
            raise InvalidParameter(f"sql: {why_not}")
        with pa.OSFile(str(folder / ANSWER)) as file, pa.ipc.open_file(file) as answer:
            found = answer.read_all()
    return found.slice(0, limits.rows), found.num_rows > limits.rows


def _lend_all(
    store: Store, folder: Path, tables: Collection[str], *, private: bool
) -> tuple[list[str], list[str]]:
    """Copies tables into a database, all as of one moment; returns statements of views, and their files."""
    views: list[str] = []
    files: list[str] = []
    with store.cursor() as cursor, _attached(cursor, folder / DATABASE) as into:
        hidden = f"{into}.{_HIDDEN}"
        cursor.execute(f"CREATE SCHEMA {hidden}").fetchall()
        # In a table, since the text of a view can be read.
        salt = quote_literal(secrets.token_hex(16))
        cursor.execute(f"CREATE TABLE {hidden}.salts AS SELECT {salt} AS salt").fetchall()
        for table in sorted(tables):
            if table not in INGESTED_EVENTS:
                named = quote_identifier(table)
                cursor.execute(f"CREATE TABLE {into}.{named} AS FROM {named}").fetchall()
                continue
            event = next(each for each in INGESTED_EVENTS if each == table)
            columns = cursor.table(f"{event}_hot").columns
            # What is not shown is not copied either: if this process is killed, the folder stays a while.
            shown = "*" if private else public_columns(columns, salt)
            every = f"FROM {_HIDDEN}.{event}_hot"
            hot = f"SELECT {shown} FROM {event}_hot"  # noqa: S608 - our own
            cursor.execute(f"CREATE TABLE {hidden}.{event}_hot AS {hot}").fetchall()
            paths = live_paths(cursor, store.directory, event)
            if paths:
                shown = "*" if private else public_columns(columns, f"(SELECT salt FROM {_HIDDEN}.salts)")  # noqa: S608
                every += f" UNION ALL BY NAME SELECT {shown} FROM {segment_scan(cursor, event, paths)}"  # noqa: S608
            views.append(f"CREATE VIEW {event} AS {every}")
            files += paths
    return views, files


@contextmanager
def _attached(cursor: duckdb.DuckDBPyConnection, path: Path) -> Iterator[str]:
    """A new database that a transaction writes to."""
    name = f"sql_{secrets.token_hex(4)}"
    cursor.execute(f"ATTACH {quote_literal(str(path))} AS {name}").fetchall()
    try:
        cursor.begin()
        try:
            yield name
            cursor.commit()
        except BaseException:
            cursor.rollback()
            raise
    finally:
        cursor.execute(f"DETACH {name}").fetchall()


@contextmanager
def _process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process for one statement, with no secret of this one's environment; it is ended afterwards."""
    known = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-P", process.__file__],
        env={**known, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def _ask(started: subprocess.Popen[str], what: object, limits: Limits, gone: threading.Event) -> str:
    """Tells the process something, and returns what it says to that: a line of JSON.

    Raises:
        InvalidParameter: It took more than the limits, or nobody waits for it.
    """
    assert started.stdin is not None  # for the type checker: both are pipes
    assert started.stdout is not None
    is_late, done = threading.Event(), threading.Event()

    def watch() -> None:
        until = time.monotonic() + limits.timeout_s + _GRACE_S
        while not done.wait(_LOOK_EVERY_S):
            if gone.is_set() or time.monotonic() >= until:
                is_late.set()
                started.kill()
                return

    threading.Thread(target=watch, name="sql-watch", daemon=True).start()
    try:
        with suppress(BrokenPipeError):  # it has ended: nothing comes back, either
            started.stdin.write(f"{json.dumps(what)}\n")
            started.stdin.flush()
        said = started.stdout.readline()
    finally:
        done.set()
    if not said:
        raise InvalidParameter(f"sql: {too_slow(limits) if is_late.is_set() else too_large(limits)}")
    return said
