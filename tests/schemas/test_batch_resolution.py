"""Older and newer writers are read as Avro says, a column at a time where that is possible."""

import json
from collections.abc import Callable
from io import SEEK_END, BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_schemas.batch import BatchDecoder, BatchResult
from coalmine_schemas.catalogue import latest, versions
from coalmine_schemas.codec import Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import Confluent, confluent_header, single_object_header
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import EVENT_NAMES
from coalmine_schemas.vectorised.plan import make_plan
from coalmine_schemas.writer_schema import plain_reader, vet_writer_schema
from tests.support.campaign import size
from tests.support.data.event_strategies import plain_records
from tests.support.data.example_events import frame, load_examples
from tests.support.doubles.memory_registry import MemoryRegistry
from tests.support.oracles.decoded_rows import rows_as_records

Change = Callable[[dict[str, Any]], None]


def _member(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(member for member in document["fields"] if member["name"] == name)


def _drop(*names: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["fields"] = [member for member in document["fields"] if member["name"] not in names]

    return change


def _add(kind: Any, default: Any, at: int = 0) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["fields"].insert(at, {"name": "added", "type": kind, "default": default})

    return change


def _set(name: str, **changes: Any) -> Change:
    return lambda document: _member(document, name).update(changes)


def _symbols(name: str, *symbols: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        kind = _member(document, name)["type"]
        (kind[1] if isinstance(kind, list) else kind)["symbols"] = list(symbols)

    return change


def _writer(event: EventName, change: Change) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(latest(event).json)
    change(document)
    return document


def _nested(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Nested", "fields": [{"name": "inner", "type": kind}]}


VECTORISED: dict[str, tuple[EventName, Change, dict[str, Any]]] = {
    "the same": ("requests", lambda _: None, {}),
    "older, without nullable fields": ("requests", _drop("client_version", "input_text", "label"), {}),
    "older, without maps": ("requests", _drop("metrics", "segments"), {}),
    "older, without an array": ("deployments", _drop("arms"), {}),
    "older, without a nullable enum": ("feedback", _drop("thumbs"), {}),
    "fields in another order": ("requests", lambda document: document["fields"].reverse(), {}),
    "newer, a nullable field first": ("requests", _add(["null", "string"], None), {"added": "x"}),
    "newer, a nullable field last": ("requests", _add(["null", "long"], None, 99), {"added": 7}),
    "newer, with bytes": ("scores", _add("bytes", "", 3), {"added": b"\xff\x00"}),
    "newer, with a map": ("scores", _add({"type": "map", "values": "long"}, {}), {"added": {"a": 1}}),
    "newer, with a map of bytes": (
        "scores",
        _add({"type": "map", "values": "bytes"}, {}),
        {"added": {"a": b"1"}},
    ),
    "newer, with a list": ("scores", _add({"type": "array", "items": "string"}, []), {"added": ["a", "b"]}),
    "newer, with a nullable list": (
        "scores",
        _add(["null", {"type": "array", "items": "int"}], None),
        {"added": [1, 2**20]},
    ),
    "newer, with a record": ("scores", _add(_nested("int"), {"inner": 0}), {"added": {"inner": 5}}),
    "newer, with a boolean": ("scores", _add("boolean", False), {"added": True}),
    "newer, with a float": ("scores", _add("float", 0.0), {"added": 0.5}),
    "newer, with an int": ("scores", _add("int", 0), {"added": -(2**31)}),
    "newer, with an enum": (
        "scores",
        _add({"type": "enum", "name": "Added", "symbols": ["a", "b"]}, "a"),
        {"added": "b"},
    ),
    "a symbol we do not know": (
        "requests",
        _symbols("resolution", "unknown", "live", "edge", "cached", "disk", "fallback", "fixed"),
        {"resolution": "edge"},
    ),
    "fewer symbols": ("scores", _symbols("source", "judge", "human", "unknown"), {"source": "human"}),
    "a nullable field of ours is required there": (
        "scores",
        _set("scorer", type="string", default=""),
        {"scorer": "x"},
    ),
    "the null comes second": ("scores", _set("rationale", type=["string", "null"], default=""), {}),
    "without logical types": (
        "scores",
        _set("event_time", type="long"),
        {"event_time": 1_700_000_000_000_000},
    ),
    "named by somebody else": ("scores", lambda document: document.update(namespace="com.example"), {}),
}

EXACT: dict[str, tuple[EventName, Change, dict[str, Any]]] = {
    "newer, with a fixed": (
        "scores",
        _add({"type": "fixed", "name": "F", "size": 2}, "ab"),
        {"added": b"xy"},
    ),
    "newer, with a wide union": ("scores", _add(["null", "string", "long"], None), {"added": 5}),
    "newer, with a nullable record": (
        "scores",
        _add(["null", _nested("int")], None),
        {"added": {"inner": 5}},
    ),
    "newer, with a null": ("scores", _add("null", None), {"added": None}),
    "newer, with a map of nullables": (
        "scores",
        _add({"type": "map", "values": ["null", "int"]}, {}),
        {"added": {"a": None, "b": 3}},
    ),
    "newer, with an enum of a hundred": (
        "scores",
        _add({"type": "enum", "name": "Added", "symbols": [f"s{i}" for i in range(100)]}, "s0"),
        {"added": "s99"},
    ),
    "an int where we have a long": (
        "requests",
        _set("input_tokens", type=["null", "int"]),
        {"input_tokens": 5},
    ),
    "a float where we have a double": ("scores", _set("value", type="float"), {"value": 0.5}),
    "bytes where we have a string": ("scores", _set("name", type="bytes"), {"name": b"quality"}),
    "nullable where we require": ("scores", _set("name", type=["null", "string"]), {"name": "quality"}),
    "an arm with a field more": (
        "deployments",
        lambda document: _member(document, "arms")["type"]["items"]["fields"].append(
            {"name": "note", "type": "string", "default": ""}
        ),
        {"arms": [{"variant": "a", "version": "1", "weight": 0.5, "note": "n"}]},
    ),
}


def _frames(event: EventName, document: dict[str, Any], changes: dict[str, Any]) -> list[bytes]:
    parsed = parse_schema(document)
    frames = []
    for record in load_examples(event):
        out = BytesIO(confluent_header(1))
        out.seek(0, SEEK_END)
        schemaless_writer(out, parsed, {**record, **changes})
        frames.append(out.getvalue())
    return frames


def _decode(event: EventName, document: dict[str, Any], frames: list[bytes]) -> tuple[BatchResult, Decoder]:
    registry = MemoryRegistry()
    registry.register("s", json.dumps(document))
    resolver = SchemaResolver(registry)
    return BatchDecoder(resolver, ranges={}).decode(event, frames), Decoder(resolver)


def _is_vectorised(event: EventName, document: dict[str, Any]) -> bool:
    writer = vet_writer_schema(json.dumps(document), "id:1")
    return make_plan(latest(event), writer, Confluent(1)) is not None


@pytest.mark.parametrize("name", [*VECTORISED, *EXACT])
def test_another_writers_events_are_read_as_fastavro_reads_them(name: str) -> None:
    event, change, changes = (VECTORISED | EXACT)[name]
    document = _writer(event, change)
    frames = _frames(event, document, changes)
    result, exact = _decode(event, document, [*frames, *frames])
    assert result.failures == []
    oracle = [
        schemaless_reader(BytesIO(message[5:]), parse_schema(document), plain_reader(latest(event)))
        for message in frames
    ]
    if name != "without logical types":
        for record in oracle:
            assert isinstance(record, dict)
            for field, value in record.items():
                if hasattr(value, "timestamp"):  # the writer's schema makes fastavro give datetimes
                    record[field] = round(value.timestamp() * 1_000_000)
    assert rows_as_records(event, result.table) == oracle * 2
    assert [exact.decode_plain(event, message) for message in frames] == oracle
    assert _is_vectorised(event, document) == (name in VECTORISED)


@pytest.mark.parametrize("name", [*VECTORISED, *EXACT])
def test_poison_of_another_writer_fails_alone(name: str) -> None:
    event, change, changes = (VECTORISED | EXACT)[name]
    document = _writer(event, change)
    good = _frames(event, document, changes)[0]
    frames = [good, good[:-1], good, good + b"\x00", good[:5], good, good[:20]]
    result, exact = _decode(event, document, frames)
    assert result.rows.tolist() == [0, 2, 5]
    for failure in result.failures:
        with pytest.raises(Exception) as refused:
            exact.decode_plain(event, frames[failure.index])
        assert refused.value.args == (failure.reason, failure.schema_ref)


def test_an_unknown_symbol_becomes_the_default_and_null_stays_null() -> None:
    change = _symbols("source", "unknown", "heuristic", "judge", "human", "oracle")
    document = _writer("scores", change)
    frames = [_frames("scores", document, {"source": symbol})[0] for symbol in ("oracle", "judge", "oracle")]
    result, _ = _decode("scores", document, frames)
    assert result.table.column("source").to_pylist() == ["unknown", "judge", "unknown"]


def test_an_unknown_symbol_without_a_default_fails_its_messages_alone() -> None:
    document = _writer("feedback", _symbols("thumbs", "up", "down", "sideways"))
    frames = [_frames("feedback", document, {"thumbs": thumb})[0] for thumb in ("up", "sideways", None)]
    result, _ = _decode("feedback", document, frames)
    assert result.table.column("thumbs").to_pylist() == ["up", None]
    assert "sideways" in result.failures[0].reason
    assert (result.failures[0].index, result.failures[0].stage) == (1, "decode")


def test_null_where_we_require_a_value_fails_its_messages_alone() -> None:
    document = _writer("scores", _set("name", type=["null", "string"]))
    frames = [_frames("scores", document, {"name": name})[0] for name in ("a", None, "b")]
    result, _ = _decode("scores", document, frames)
    assert result.table.column("name").to_pylist() == ["a", "b"]
    assert [(failure.index, failure.stage) for failure in result.failures] == [(1, "decode")]


UNREADABLE: dict[str, tuple[Change, str, str]] = {
    "a required field is missing": (_drop("name"), "decode", "cannot be read with our schema"),
    "a field of another type": (_set("value", type="string"), "decode", "cannot be read with our schema"),
    "milliseconds": (
        _set("event_time", type={"type": "long", "logicalType": "timestamp-millis"}),
        "decode",
        "field event_time is timestamp-millis, not timestamp-micros",
    ),
    "another record": (
        lambda document: document.update(name="PromptGuess"),
        "decode",
        "written as PromptGuess, but this topic carries PromptScore",
    ),
    "a recursive field": (
        _add(["null", "coalmine.events.PromptScore"], None),
        "frame",
        "writer schema refused: recursive type coalmine.events.PromptScore",
    ),
    "a list of nothing": (
        _add({"type": "array", "items": "null"}, []),
        "frame",
        "writer schema refused: array of items without bytes at added",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_writer_we_cannot_read_fails_its_messages_and_no_others(name: str) -> None:
    change, stage, reason = UNREADABLE[name]
    document = _writer("scores", change)
    registry = MemoryRegistry()
    registry.register("s", json.dumps(document))
    record = {**load_examples("scores")[0], "added": None}
    if name == "a list of nothing":
        record["added"] = []
    if name == "a field of another type":
        record["value"] = "high"
    out = BytesIO(confluent_header(1))
    out.seek(0, SEEK_END)
    schemaless_writer(out, parse_schema(document), record)
    bad, good = out.getvalue(), frame("scores")
    result = BatchDecoder(SchemaResolver(registry)).decode("scores", [bad, good, bad])
    assert result.rows.tolist() == [1]
    assert [(f.index, f.stage, f.schema_ref) for f in result.failures] == [
        (0, stage, "id:1"),
        (2, stage, "id:1"),
    ]
    assert all(reason in failure.reason for failure in result.failures)


_KINDS: dict[str, tuple[Any, Any, Any]] = {
    "nullable text": (["null", "string"], None, "ä"),
    "number": ("long", 0, -(2**40)),
    "flags": ({"type": "map", "values": "boolean"}, {}, {"a": True, "b": False}),
    "pairs": ({"type": "array", "items": {"type": "array", "items": "int"}}, [], [[1], [], [2, 3]]),
}


_DEFAULTS = {m["name"]: m["default"] for m in latest("requests").parsed["fields"] if "default" in m}


@settings(max_examples=size(20, 1_000))
@given(
    record=plain_records("requests"),
    dropped=st.sets(
        st.sampled_from([m["name"] for m in latest("requests").parsed["fields"] if "default" in m]),
        max_size=8,
    ),
    added=st.lists(st.tuples(st.sampled_from(sorted(_KINDS)), st.integers(0, 30)), max_size=4),
    seed=st.randoms(use_true_random=False),
)
def test_any_older_or_newer_writer_is_read_with_our_defaults(
    record: dict[str, Any], dropped: set[str], added: list[tuple[str, int]], seed: Any
) -> None:
    document = _writer("requests", _drop(*dropped))
    seed.shuffle(document["fields"])
    written = dict(record)
    for number, (kind, at) in enumerate(added):
        avro, default, value = _KINDS[kind]
        document["fields"].insert(at, {"name": f"added{number}", "type": avro, "default": default})
        written[f"added{number}"] = value
    out = BytesIO(confluent_header(1))
    out.seek(0, SEEK_END)
    schemaless_writer(out, parse_schema(document), written)
    result, exact = _decode("requests", document, [out.getvalue()])
    expected = {
        **record,
        **{m["name"]: m["default"] for m in latest("requests").parsed["fields"] if m["name"] in dropped},
    }
    assert result.failures == []
    assert rows_as_records("requests", result.table) == [expected]
    assert exact.decode_plain("requests", out.getvalue()) == expected
    assert _is_vectorised("requests", document)


def test_writers_of_all_ages_mix_in_one_batch() -> None:
    registry = MemoryRegistry()
    frames: list[bytes] = []
    for name in ("the same", "newer, with a map", "newer, with a fixed", "newer, with a wide union"):
        event, change, changes = (VECTORISED | EXACT)[name]
        document = _writer("scores", change)
        schema_id = registry.register("s", json.dumps(document))
        made = _frames("scores", document, changes if event == "scores" else {})
        frames += [confluent_header(schema_id) + message[5:] for message in made]
    own = Encoder(SingleObjectFraming())
    ours = own.encode("scores", load_examples("scores")[0])
    frames = [message for theirs in frames for message in (theirs, ours)]
    result = BatchDecoder(SchemaResolver(registry)).decode("scores", frames)
    assert result.failures == []
    exact = Decoder(SchemaResolver(registry))
    assert rows_as_records("scores", result.table) == [exact.decode_plain("scores", m) for m in frames]


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_events_of_every_published_version_are_read_together(event: EventName) -> None:
    if event not in ("requests", "feedback", "scores", "deployments"):
        pytest.skip("not read from columns")
    frames, expected = [], []
    for schema in versions(event):
        names = [member["name"] for member in schema.parsed["fields"]]
        defaults = {m["name"]: m["default"] for m in latest(event).parsed["fields"] if "default" in m}
        for record in load_examples(event):
            out = BytesIO()
            schemaless_writer(out, schema.parsed, {name: record[name] for name in names})
            frames.append(single_object_header(schema) + out.getvalue())
            unwritten = {name: value for name, value in defaults.items() if name not in names}
            expected.append({**record, **unwritten})
    result = BatchDecoder(SchemaResolver()).decode(event, frames)
    assert result.failures == []
    decoder = Decoder(SchemaResolver())
    assert [decoder.decode(event, each) for each in frames] == expected
    assert rows_as_records(event, result.table) == [decoder.decode_plain(event, each) for each in frames]
