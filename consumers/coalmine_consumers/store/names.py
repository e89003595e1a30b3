"""How many names a store learns in a day. Each becomes rows that are kept, so their number has a bound.

What lies beyond is stored under one name, `OTHER`, and counted. Names that are known stay welcome.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.groups import codes_of, group_by
from coalmine_consumers.aggregation.segments import OTHER
from coalmine_consumers.raw import ReadEvent
from coalmine_consumers.sql import fetch_table, lent, parsed, statement
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
_NEW: Final = "SELECT kind, name FROM arriving ANTI JOIN known_names USING (kind, name) LIMIT 1"
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
        tables: Decoded events; columns of names may be coded, each by the values that it has.
        settings: How many new names of each kind a day has.
        now: When the batch is committed.

    Returns:
        The events, and by kind how many have such a name.
    """
    admission = _Admission(connection, settings, now)
    bounded = dict(tables)
    if (requests := tables.get("requests")) is not None and requests.num_rows:
        bounded["requests"] = admission.of_requests(requests)
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

    def all_known(self, named: list[_Named]) -> bool:
        """True if none of these names is new, as in nearly every batch."""
        arriving = pa.concat_tables(_table(kind, _distinct(names)) for kind, names, _ in named)
        # DuckDB finds `arriving` here, which takes half the time of lending it.
        return not (arriving.num_rows and self._connection.execute(parsed(self._connection, _NEW)).fetchall())

    def of_requests(self, requests: pa.Table) -> pa.Table:
        """Requests, with `OTHER` in place of the names that are refused."""
        app = ("app", requests["app"], requests["app"])
        everything = [app, *_named(requests), _version(requests)]
        if self.all_known(everything):
            return requests
        new = self._new(everything)
        if pc.all(new["is_admitted"]).as_py():
            self._admit(new)
            return requests
        # Apps first: those that are one too many share the room of one app for their other names.
        requests = self.replace(requests, "app", "app", requests["app"], self.refused([app]))
        refused = self.refused(_named(requests))
        for column, kind in _COLUMNS.items():
            requests = self.replace(requests, column, kind, requests[column], refused)
        requests = self.replace_metrics(requests, refused)
        version = _version(requests)
        return self.replace(requests, "version", *version[:2], self.refused([version]))

    def refused(self, named: list[_Named]) -> Mapping[str, pa.Array]:
        """Admits names; returns those, by kind, for which there is no room today."""
        if self.all_known(named):
            return {}
        new = self._new(named)
        self._admit(new.filter(new["is_admitted"]))
        rest = new.filter(pc.invert(new["is_admitted"]))
        return {
            kind: rest.filter(pc.equal(rest["kind"], kind))["name"].combine_chunks()
            for kind in pc.unique(rest["kind"]).to_pylist()
        }

    def _new(self, named: list[_Named]) -> pa.Table:
        """Names that are not known, and whether there is room for each today."""
        arriving = pa.concat_tables(_table(kind, *_pairs(names, apps)) for kind, names, apps in named)
        with lent(self._connection, arriving=arriving):
            return fetch_table(self._connection, statement("new_names", __package__), self._parameters)

    def _admit(self, admitted: pa.Table) -> None:
        # DuckDB finds `admitted` here.
        self._connection.execute(
            "INSERT INTO known_names SELECT kind, name, $day, app FROM admitted",
            {"day": self._parameters["day"]},
        ).fetchall()

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
        beyond = pc.is_in(names.cast(pa.string()), refused[kind])
        self._count(kind, pc.sum(beyond).as_py() or 0)
        place = rows.column_names.index(column)
        values = pc.if_else(beyond, pa.scalar(OTHER), rows[column].cast(pa.string()))
        return rows.set_column(place, column, values)

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


def _named(requests: pa.Table) -> list[_Named]:
    """Names of requests, but for those of apps and versions."""
    apps = requests["app"]
    names = [(kind, requests[column], apps) for column, kind in _COLUMNS.items()]
    return [*names, ("metric", *_keys(requests["metrics"], apps))]


def _distinct(names: pa.ChunkedArray) -> pa.Array:
    coded = pa.types.is_dictionary(names.type) and names.num_chunks == 1
    found = names.chunk(0).dictionary if coded else pc.unique(names).drop_null()
    return found.cast(pa.string())


def _pairs(names: pa.ChunkedArray, apps: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Names that are known, each once with each of its apps."""
    once = pa.array(group_by(codes_of(names), codes_of(apps)).a_row)
    names, apps = (column.take(once).cast(pa.string()) for column in (names, apps))
    return names.filter(names.is_valid()), apps.filter(names.is_valid())


def _version(requests: pa.Table) -> _Named:
    """A version is known by its prompt and its own name, in one text."""
    groups = group_by(codes_of(requests["prompt"]), codes_of(requests["version"]))
    once = requests.select(["prompt", "version"]).take(pa.array(groups.a_row))
    texts = pc.binary_join_element_wise(*(column.cast(pa.string()) for column in once.columns), "@")
    coded = pa.DictionaryArray.from_arrays(pa.array(groups.of_row), texts.combine_chunks())
    return "version", pa.chunked_array([coded]), requests["app"]


def _keys(maps: pa.ChunkedArray, apps: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The keys of maps, and the app of each."""
    return pc.struct_field(pc.list_flatten(maps), "key"), apps.take(pc.list_parent_indices(maps))


def _table(kind: str, names: pa.Array, apps: pa.Array | None = None) -> pa.Table:
    columns = {"kind": pa.repeat(pa.scalar(kind), len(names)), "name": names}
    return pa.table(columns if apps is None else {**columns, "app": apps})
