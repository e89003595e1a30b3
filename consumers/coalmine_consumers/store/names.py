"""How many names a store learns in a day. Each becomes rows that are kept, so their number has a bound.

What lies beyond is stored under one name, `OTHER`, and counted. Names that are known stay welcome.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.segments import OTHER
from coalmine_consumers.raw import ReadEvent
from coalmine_consumers.sql import fetch_table, lent, statement
from coalmine_consumers.store.settings import StoreSettings

_COLUMNS: Final = {
    "environment": "environment",
    "prompt": "prompt",
    "variant": "variant",
    "experiment": "experiment",
    "request_model": "model",
    "response_model": "model",
}
"""Columns of a request beside its app, and the kind of name they hold."""
_NEW: Final = "SELECT DISTINCT kind, name FROM arriving ANTI JOIN known_names USING (kind, name)"
_Named: TypeAlias = tuple[str, pa.ChunkedArray, pa.ChunkedArray]
"""A kind, names, and the apps whose events have them."""


def within_limits(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[ReadEvent, pa.Table],
    settings: StoreSettings,
    now: datetime,
) -> tuple[dict[ReadEvent, pa.Table], dict[str, int]]:
    """The events of a batch, those names replaced that are one too many.

    Args:
        connection: Inside the batch's transaction.
        tables: Decoded events.
        settings: How many new names of each kind a day has.
        now: When the batch is committed.

    Returns:
        The events, and by kind how many have such a name.
    """
    admission = _Admission(connection, settings, now)
    bounded = dict(tables)
    if (requests := tables.get("requests")) is not None and requests.num_rows:
        # Apps first: those that are one too many share the room of one app for their other names.
        refused = admission.refused([("app", requests["app"], requests["app"])])
        requests = admission.replace(requests, "app", "app", requests["app"], refused)
        apps = requests["app"]
        names = [(kind, requests[column], apps) for column, kind in _COLUMNS.items()]
        refused = admission.refused([*names, ("metric", *_keys(requests["metrics"], apps))])
        for column, kind in _COLUMNS.items():
            requests = admission.replace(requests, column, kind, requests[column], refused)
        requests = admission.replace_metrics(requests, refused)
        versions = pc.binary_join_element_wise(requests["prompt"], requests["version"], "@")
        refused = admission.refused([("version", versions, apps)])
        bounded["requests"] = admission.replace(requests, "version", "version", versions, refused)
    if (scores := tables.get("scores")) is not None and scores.num_rows:
        refused = admission.refused([("metric", scores["name"], scores["app"])])
        bounded["scores"] = admission.replace(scores, "name", "metric", scores["name"], refused)
    admission.record()
    return bounded, admission.events


class _Admission:
    """Admits new names of one batch, and counts the events of those that are not admitted."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: StoreSettings, now: datetime) -> None:
        self._connection = connection
        self._parameters = {
            "day": now.date(),
            "most": settings.names_per_day,
            "most_of_app": settings.names_per_app,
        }
        self.events: dict[str, int] = {}

    def refused(self, named: list[_Named]) -> Mapping[str, pa.Array]:
        """Admits names; returns those, by kind, for which there is no room today."""
        distinct = [(kind, pc.unique(names).drop_null().cast(pa.string())) for kind, names, _ in named]
        arriving = pa.concat_tables(_table(kind, names) for kind, names in distinct)
        with lent(self._connection, arriving=arriving):
            new = fetch_table(self._connection, _NEW, {})
        if not new.num_rows:  # as in nearly every batch
            return {}
        arriving = pa.concat_tables(
            _table(kind, names.filter(mask).cast(pa.string()), apps.filter(mask))
            for kind, names, apps in named
            for mask in [pc.is_in(names, new.filter(pc.equal(new["kind"], kind))["name"].combine_chunks())]
        )
        with lent(self._connection, arriving=arriving):
            new = fetch_table(self._connection, statement("new_names", __package__), self._parameters)
        admitted = new.filter(new["is_admitted"])
        with lent(self._connection, admitted=admitted):
            self._connection.execute(
                "INSERT INTO known_names SELECT kind, name, $day, app FROM admitted",
                {"day": self._parameters["day"]},
            ).fetchall()
        rest = new.filter(pc.invert(new["is_admitted"]))
        return {
            kind: rest.filter(pc.equal(rest["kind"], kind))["name"].combine_chunks()
            for kind in pc.unique(rest["kind"]).to_pylist()
        }

    def replace(
        self,
        rows: pa.Table,
        column: str,
        kind: str,
        names: pa.ChunkedArray,
        refused: Mapping[str, pa.Array],
    ) -> pa.Table:
        """The rows, with `OTHER` in a column where its name was refused."""
        if kind not in refused:
            return rows
        beyond = pc.is_in(names, refused[kind])
        self._count(kind, pc.sum(beyond).as_py() or 0)
        place = rows.column_names.index(column)
        values = pc.if_else(beyond, pa.scalar(OTHER), rows[column])
        return rows.set_column(place, rows.schema.field(column), values)

    def replace_metrics(self, rows: pa.Table, refused: Mapping[str, pa.Array]) -> pa.Table:
        """The rows, with `OTHER` in place of refused names of metrics."""
        if "metric" not in refused:
            return rows
        beyond = set(refused["metric"].to_pylist())
        place = rows.column_names.index("metrics")
        kind = rows.schema.field("metrics").type
        metrics = rows["metrics"].to_pylist()
        replaced = [
            None
            if entries is None
            else [
                {"key": OTHER if entry["key"] in beyond else entry["key"], "value": entry["value"]}
                for entry in entries
            ]
            for entries in metrics
        ]
        self._count("metric", sum(before != after for before, after in zip(metrics, replaced, strict=True)))
        return rows.set_column(place, rows.schema.field("metrics"), pa.array(replaced, kind))

    def record(self) -> None:
        """Notes the events that have such names."""
        for kind, events in self.events.items():
            self._connection.execute(
                "INSERT INTO names_beyond_limit VALUES ($day, $kind, $events)",
                {"day": self._parameters["day"], "kind": kind, "events": events},
            ).fetchall()

    def _count(self, kind: str, events: int) -> None:
        self.events[kind] = self.events.get(kind, 0) + events


def _keys(maps: pa.ChunkedArray, apps: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The keys of maps, and the app of each."""
    return pc.struct_field(pc.list_flatten(maps), "key"), apps.take(pc.list_parent_indices(maps))


def _table(kind: str, names: pa.Array, apps: pa.Array | None = None) -> pa.Table:
    columns = {"kind": pa.repeat(pa.scalar(kind), len(names)), "name": names}
    return pa.table(columns if apps is None else {**columns, "app": apps.cast(pa.string())})
