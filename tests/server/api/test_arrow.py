"""Answers as Arrow tables."""

from dataclasses import asdict, fields
from datetime import UTC, datetime

import pyarrow as pa
from pydantic import TypeAdapter

from coalmine_consumers.results import QuantileRow, TimeseriesRow, VersionRow
from coalmine_server.api.arrow import arrow_schema, arrow_table, ipc_stream

ROW_TYPES: list[type] = [VersionRow, TimeseriesRow, QuantileRow]


def test_an_answer_without_rows_still_has_typed_columns() -> None:
    for row_type in ROW_TYPES:
        table = arrow_table(row_type, [])
        assert table.column_names == [field.name for field in fields(row_type)]
        assert not any(pa.types.is_null(field.type) for field in table.schema)


def test_a_row_comes_back_from_the_stream_as_it_went_in() -> None:
    row = TypeAdapter(QuantileRow).validate_python(
        {
            "prompt": "p",
            "version": "1.0.0",
            "n": 3,
            "quantiles": [{"q": 0.5, "value": None}, {"q": 1.0, "value": 2.5}],
        }
    )
    table = pa.ipc.open_stream(ipc_stream(arrow_table(QuantileRow, [row]))).read_all()
    assert table.to_pylist() == [asdict(row)]


def test_times_are_utc_and_units_travel_with_the_columns() -> None:
    schema = arrow_schema(TimeseriesRow)
    assert schema.field("bucket_start").type == pa.timestamp("us", tz="UTC")
    assert b"milliseconds" in schema.field("latency_ms_p95").metadata[b"description"]
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    blank = dict.fromkeys(field.name for field in fields(TimeseriesRow))
    filled = {**blank, "bucket_start": moment, "prompt": "p", "version": "1"}
    counts = {
        "requests": 1,
        "errors": 0,
        "priced_requests": 0,
        "quality_n": 0,
        "feedback": 0,
        "thumbs_up": 0,
        "thumbs_down": 0,
    }
    table = arrow_table(TimeseriesRow, [TypeAdapter(TimeseriesRow).validate_python({**filled, **counts})])
    assert table["bucket_start"][0].as_py() == moment
    assert table["latency_ms_p95"][0].as_py() is None
