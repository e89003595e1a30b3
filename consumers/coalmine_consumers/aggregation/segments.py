"""Declared segments: what experiments' cells are counted apart by, such as language and plan.

A request is in the segments of the keys that were declared when its batch came, for good: what is said of it
later goes there, too. So cells are a function of raw rows and of the two tables that are read here. Which
values an experiment tells apart is settled as they come, the most frequent of a batch first; what comes once
there is no room is `OTHER`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from coalmine_consumers.aggregation.groups import codes_of, distinct
from coalmine_consumers.arrays import BoolArray, IntArray
from coalmine_consumers.sql import append_rows, fetch_rows, fetch_table
from coalmine_schemas.declared_segments import MOST_VALUES, check_keys

OTHER: Final = "(other)"
"""Stands for every name or value that was one too many."""
COLUMN: Final = "segment."
"""What the name of a column begins with that holds each row's value of a declared key."""
UNREAD: Final = 'NULL::STRUCT("key" VARCHAR, "value" VARCHAR)[]'
"""Stands for requests' segments in statements, where none was ever declared."""


@dataclass(frozen=True, slots=True)
class DeclaredKey:
    """A stretch of batches whose requests are counted by a key."""

    segment_key: str
    since_ingest_id: int
    """Those of later batches"""
    until_ingest_id: int | None
    """through this one; None: still declared."""


class Segments:
    """Declared keys, and the values that some experiments have of them.

    Args:
        keys: Those of now and of before.
        values: By experiment and key.
    """

    def __init__(
        self,
        keys: Iterable[DeclaredKey] = (),
        values: Mapping[tuple[str, str], Collection[str]] | None = None,
    ) -> None:
        self.keys = tuple(keys)
        self._values = values or {}

    def columns(self, rows: pa.Table) -> pa.Table:
        """The rows, with a column of the value of each key: null where a request is in none of its segments.

        Args:
            rows: With the requests' `experiment`, `ingest_id` and `segments`.
        """
        if not self.keys or not rows.num_rows:
            return rows
        import pyarrow.compute as pc  # noqa: PLC0415 - see `store.py`

        entries = _Entries(rows)
        for key in dict.fromkeys(each.segment_key for each in self.keys):
            at, of_value, names = entries.values(key)
            kept = self._is_declared(key, entries.ingest_ids[at])
            at, of_value = at[kept], of_value[kept]
            known = np.array(
                [
                    pc.is_in(names, pa.array(self._values.get((name, key), ()), pa.string())).to_numpy(
                        zero_copy_only=False
                    )
                    for name in entries.experiments
                ],
                np.bool_,
            ).reshape(len(entries.experiments), len(names))
            codes = np.full(rows.num_rows, -1)
            codes[at] = np.where(known[entries.of_experiment[at], of_value], of_value, len(names))
            coded = pa.DictionaryArray.from_arrays(
                pa.array(codes.astype(np.int32), mask=codes < 0),
                pa.concat_arrays([names, pa.array([OTHER], pa.string())]),
            )
            rows = rows.append_column(f"{COLUMN}{key}", coded)
        return rows

    def _is_declared(self, key: str, ingest_ids: IntArray) -> BoolArray:
        declared = np.zeros(len(ingest_ids), np.bool_)
        for each in self.keys:
            if each.segment_key == key:
                until = 2**62 if each.until_ingest_id is None else each.until_ingest_id
                declared |= (ingest_ids > each.since_ingest_id) & (ingest_ids <= until)
        return declared


class _Entries:
    """What the segments of some requests say, laid end to end."""

    def __init__(self, rows: pa.Table) -> None:
        import pyarrow.compute as pc  # noqa: PLC0415

        maps = rows["segments"]
        self._row = pc.list_parent_indices(maps).to_numpy().astype(np.int64)
        flat = pc.list_flatten(maps)
        self._keys, self._texts = (pc.struct_field(flat, name) for name in ("key", "value"))
        self.ingest_ids: IntArray = rows["ingest_id"].to_numpy()
        self.of_experiment: IntArray = codes_of(rows["experiment"]).of_row
        self.experiments = distinct(rows["experiment"])

    def values(self, key: str) -> tuple[IntArray, IntArray, pa.Array]:
        """Rows that have the key, the code of the value of each, and the different values."""
        import pyarrow.compute as pc  # noqa: PLC0415

        at = np.flatnonzero(pc.equal(self._keys, key).to_numpy())
        texts = self._texts.take(pa.array(at)).combine_chunks()
        coded = (pa.concat_arrays(texts.chunks) if isinstance(texts, pa.ChunkedArray) else texts).cast(
            pa.string()
        )
        coded = coded.dictionary_encode()
        return self._row[at], coded.indices.to_numpy().astype(np.int64), coded.dictionary


def declare(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], last_ingest_id: int) -> None:
    """Declares these keys, and no others, from the next batch on.

    Raises:
        InvalidParameter: See `check_keys`.
    """
    check_keys(keys)
    declared = {each.segment_key for each in read_keys(connection) if each.until_ingest_id is None}
    for key in sorted(declared.difference(keys)):
        connection.execute(
            "UPDATE segment_keys SET until_ingest_id = $last "
            "WHERE segment_key = $key AND until_ingest_id IS NULL",
            {"key": key, "last": last_ingest_id},
        ).fetchall()
    for key in keys:
        if key not in declared:
            connection.execute(
                "INSERT INTO segment_keys VALUES ($key, $last, NULL)", {"key": key, "last": last_ingest_id}
            ).fetchall()


def read_keys(connection: duckdb.DuckDBPyConnection) -> list[DeclaredKey]:
    """Every key that is or was declared."""
    rows = fetch_rows(connection, "SELECT * FROM segment_keys ORDER BY ALL")
    return [DeclaredKey(**row) for row in rows]


def read_segments(
    connection: duckdb.DuckDBPyConnection, experiments: Sequence[str] | None = None
) -> Segments:
    """Declared keys, and the values that these experiments have of them, or all; none of no experiment."""
    keys = read_keys(connection) if experiments is None or experiments else []
    return _with_values(connection, keys, experiments) if keys else Segments()


def _with_values(
    connection: duckdb.DuckDBPyConnection, keys: list[DeclaredKey], experiments: Sequence[str] | None
) -> Segments:
    found = fetch_table(
        connection,
        "SELECT * FROM experiment_segment_values "
        "WHERE $experiments IS NULL OR experiment IN (SELECT unnest($experiments::VARCHAR[]))",
        {"experiments": None if experiments is None else list(experiments)},
    )
    values: dict[tuple[str, str], list[str]] = {}
    for experiment, key, value in zip(*(found[name].to_pylist() for name in found.column_names), strict=True):
        values.setdefault((experiment, key), []).append(value)
    return Segments(keys, values)


def segments_for(connection: duckdb.DuckDBPyConnection, inside: pa.Table) -> Segments:
    """Segments for the requests of a batch; new values are stored while there is room for them.

    Args:
        connection: Inside the batch's transaction.
        inside: The batch's new requests that belong to experiments.
    """
    if not inside.num_rows:
        return Segments()
    keys = read_keys(connection)
    declared = [each.segment_key for each in keys if each.until_ingest_id is None]
    if not declared:
        return Segments()
    stored = _with_values(connection, keys, distinct(inside["experiment"]))
    entries = _Entries(inside)
    values = dict(stored._values)
    fresh: list[tuple[str, str, str]] = []
    for key in declared:
        at, of_value, names = entries.values(key)
        for code, experiment in enumerate(entries.experiments):
            known = values.get((experiment, key), ())
            room = MOST_VALUES - len(known)
            if room <= 0:
                continue
            counts = np.bincount(of_value[entries.of_experiment[at] == code], minlength=len(names))
            came = ((-count, name) for count, name in zip(counts.tolist(), names.to_pylist(), strict=True))
            new = [name for count, name in sorted(came) if count and name not in known][:room]
            values[experiment, key] = [*known, *new]
            fresh += [(experiment, key, name) for name in new]
    if fresh:
        columns = ("experiment", "segment_key", "segment_value")
        rows = pa.table(dict(zip(columns, map(list, zip(*fresh, strict=True)), strict=True)))
        append_rows(connection, "experiment_segment_values", rows)
    return Segments(stored.keys, values)
