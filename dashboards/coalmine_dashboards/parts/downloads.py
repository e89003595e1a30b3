"""Downloads of what a view shows."""

import io
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st
from pydantic import TypeAdapter

if TYPE_CHECKING:
    import pyarrow

_ANYTHING = TypeAdapter(Any)


def downloads(rows: Sequence[Any], name: str) -> None:
    """Draw two buttons that give the rows as CSV and Parquet, made when they are pressed.

    Args:
        rows: Dataclasses or mappings, as the API serves them; nested values become JSON text.
        name: Of the file, without its ending; unique in the page.
    """
    with st.container(horizontal=True):
        for kind, write, mime in (
            ("CSV", csv_of, "text/csv"),
            ("Parquet", parquet_of, "application/vnd.apache.parquet"),
        ):
            st.download_button(
                kind,
                data=partial(write, rows),
                file_name=f"{name}.{kind.lower()}",
                mime=mime,
                key=f"download-{name}-{kind}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                disabled=not rows,
                help=f"{len(rows):,} rows of this view",
            )


def csv_of(rows: Sequence[Any]) -> bytes:
    """The rows as CSV (RFC 4180); what a spreadsheet would run as a formula begins with an apostrophe."""
    from pyarrow.csv import write_csv  # noqa: PLC0415 - when somebody asks

    made = io.BytesIO()
    harmless = [{name: _harmless(value) for name, value in row.items()} for row in flat(rows)]
    write_csv(_table(harmless), made)
    return made.getvalue()


def parquet_of(rows: Sequence[Any]) -> bytes:
    """The rows as Parquet."""
    from pyarrow.parquet import write_table  # noqa: PLC0415 - when somebody asks

    made = io.BytesIO()
    write_table(_table(flat(rows)), made)
    return made.getvalue()


def flat(rows: Sequence[Any]) -> list[dict[str, object]]:
    """The rows as columns that a file can hold."""
    return [
        {name: _value(value) for name, value in _ANYTHING.dump_python(row, mode="json").items()}
        for row in rows
    ]


def _value(value: object) -> object:
    if isinstance(value, str | int | float | None):
        return value
    return _ANYTHING.dump_json(value).decode()


def _table(rows: Sequence[dict[str, object]]) -> "pyarrow.Table":
    import pyarrow as pa  # noqa: PLC0415 - when somebody asks

    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        kinds = {float if isinstance(value, int | float) else str for value in values if value is not None}
        alike = len(kinds) < 2
        columns[name] = values if alike else [None if each is None else str(each) for each in values]
    return pa.table(columns)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
