"""The process in which one statement of an analyst is parsed and runs: `query` starts this file.

It starts with each statement, so it imports little. It is told and tells one line of JSON at a time: the
statement, for its syntax tree; then what to run it on, for null once the answer is written, or why not.
"""

import json
import math
import os
import re
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    # DuckDB and pyarrow do without numpy, whose import is a third of what a start takes.
    sys.modules["numpy"] = None  # type: ignore[assignment]

import duckdb
import pyarrow as pa

from coalmine_consumers.sql import quote_identifier, quote_literal

DATABASE: Final = "tables.duckdb"
"""File of the folder with tables of the store."""
ANSWER: Final = "answer.arrow"
"""File of the folder with the rows of the answer."""
_OWN_MB: Final = 512
"""Memory of Python and its libraries."""
_THREADS: Final = 2
LARGEST_TREE: Final = 8 * 2**20
"""Characters of a syntax tree, which the server reads: some five times that of the longest lists."""
_AS_TEXT: Final = re.compile(r"\b(UHUGEINT|BIT|BIGNUM|TIME WITH TIME ZONE|VARIANT|INTERVAL)\b")
"""Types whose values are told as DuckDB writes them."""
_VALUES_PER_MB: Final = 100_000
"""Single values of an answer: each is an object of Python once it is read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement may take."""

    timeout_s: float = 60.0
    reading_s: float = 10.0
    """Of these, to parse it, and to find out what its names stand for: DuckDB interrupts neither."""
    memory_mb: int = 256
    """Of DuckDB; what does not fit goes to disk, up to ten times as much. Single values take as much."""
    rows: int = 10_000
    """Rows of the answer; more are left out, and it says so."""
    answer_mb: int = 64
    """Size of the answer."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the process is told."""

    folder: str
    """With the database of tables, and for the answer."""
    views: list[str]
    """Statements that make views of rows in files."""
    files: list[str]
    """Which these are."""


def main() -> None:
    """Answers what standard input asks, on standard output."""
    asked = _asked()
    statement, limits = str(asked["statement"]), Limits(**asked["limits"])
    data_bytes = (_OWN_MB + 2 * limits.memory_mb) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The server ends it much sooner, unless it was ended itself.
    cpu_s = 2 * _THREADS * (math.ceil(limits.timeout_s) + 10)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    try:
        with _ending({"error": True, "error_message": TOO_COMPLICATED}, limits):
            tree = syntax_tree(statement)
    except duckdb.Error as error:  # half a surrogate pair
        _tell({"error": True, "error_message": str(error)})
        return
    except MemoryError:
        tree = ""
    if not tree or len(tree) > LARGEST_TREE:
        _tell({"error": True, "error_message": TOO_COMPLICATED})
        return
    sys.stdout.write(f"{tree}\n")
    sys.stdout.flush()
    task = _asked()
    if not task:  # it may not run
        return
    try:
        _answer(statement, Task(**task), limits)
    except duckdb.InterruptException:
        _tell(too_slow(limits))
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        _tell(too_large(limits))
    except (duckdb.Error, ValueError) as error:
        _tell(str(error))
    else:
        _tell(None)


def _asked() -> dict[str, Any]:
    """The next line; nothing if there is none."""
    found: dict[str, Any] = json.loads(sys.stdin.readline() or "{}")
    return found


def _tell(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


@contextmanager
def _ending(said: object, limits: Limits) -> Iterator[None]:
    """Says so and ends this process if the block takes too long to read the statement."""

    def end() -> None:
        _tell(said)
        os._exit(0)

    timer = threading.Timer(limits.reading_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def syntax_tree(statement: str) -> str:
    """Returns the syntax tree of a statement, as JSON in one line; an error of syntax is in it.

    Raises:
        duckdb.Error: It is no text.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as parser:
        found = parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
    return str(found[0]) if found else ""


TOO_COMPLICATED: Final = "the statement is too complicated: nest less, and list fewer things"
"""Why a statement is not looked into."""


def too_slow(limits: Limits) -> str:
    """Why there is no answer."""
    return f"it took more than {limits.timeout_s:g} s: give a shorter period, or aggregate rollups"


def too_large(limits: Limits) -> str:
    """Why there is no answer."""
    return f"it took more than {limits.memory_mb} MB of memory: give a shorter period or fewer groups"


def _answer(statement: str, task: Task, limits: Limits) -> None:
    folder = Path(task.folder)
    with duckdb.connect(
        str(folder / DATABASE),
        config={
            "TimeZone": "UTC",
            "threads": _THREADS,
            "memory_limit": f"{limits.memory_mb}MiB",
            "temp_directory": str(folder / "temp"),
            "max_temp_directory_size": f"{10 * limits.memory_mb}MiB",
            "autoinstall_known_extensions": False,
            "python_enable_replacements": False,
        },
    ) as connection:
        for view in task.views:
            connection.execute(view).fetchall()
        connection.execute(f"SET allowed_paths = [{', '.join(map(quote_literal, task.files))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        timer = threading.Timer(limits.timeout_s, connection.interrupt)
        timer.daemon = True
        timer.start()
        with _ending(TOO_COMPLICATED, limits):
            found = _told(connection.sql(_without_end(statement)).limit(limits.rows + 1))
        with found.to_arrow_reader(2048) as rows:
            _write(folder / ANSWER, rows, limits)
        timer.cancel()


def _told(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The rows with texts in place of values that Arrow has not, or has as other ones."""
    places = list(enumerate(zip(found.columns, found.types, strict=True), start=1))
    if not any(_AS_TEXT.search(str(kind)) for _, (_, kind) in places):
        return found
    return found.project(
        ", ".join(
            f"#{place}{'::VARCHAR' if _AS_TEXT.search(str(kind)) else ''} AS {quote_identifier(name)}"
            for place, (name, kind) in places
        )
    )


def _without_end(statement: str) -> str:
    """Leaves out the semicolon and what follows: what has a limit put around it may have none."""
    text = statement.encode()
    semicolons = (offset for offset, _ in duckdb.tokenize(statement) if text[offset : offset + 1] == b";")
    return text[: next(semicolons, None)].decode()


def _write(path: Path, rows: pa.RecordBatchReader, limits: Limits) -> None:
    """Writes rows as an Arrow file.

    Raises:
        ValueError: There is too much in them.
    """
    size_bytes = values = 0
    most_values = limits.answer_mb * _VALUES_PER_MB
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        for batch in rows:
            size_bytes += batch.nbytes
            values += sum(map(_values_in, batch.columns))
            if size_bytes > limits.answer_mb * 2**20 or values > most_values:
                raise ValueError(
                    f"the answer has more than {limits.answer_mb} MB or {most_values:,} values: "
                    "select fewer columns"
                )
            writer.write_batch(batch)


def _values_in(array: pa.Array) -> int:
    if pa.types.is_struct(array.type):
        return sum(map(_values_in, array.flatten()))
    if pa.types.is_map(array.type):
        return _values_in(array.keys) + _values_in(array.items)
    if pa.types.is_nested(array.type) and hasattr(array, "flatten"):
        return len(array) + _values_in(array.flatten())
    return len(array)


if __name__ == "__main__":
    main()
