"""The rules of values: each broken one is found, in records and in columns alike."""

import math
import time
from typing import Any

import pyarrow as pa
import pytest

from coalmine_schemas.batch import BatchDecoder, arrow_schema
from coalmine_schemas.codec import Decoder
from coalmine_schemas.errors import InvalidValue
from coalmine_schemas.events import EventName
from coalmine_schemas.identifiers import unit_group
from coalmine_schemas.limits import AHEAD_US, EARLIEST_US, ID_CHARS, NAME_CHARS
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.rules import MAX_INSTANT_US, RULES, first_problem, fitted
from coalmine_schemas.topics import EVENT_NAMES
from coalmine_schemas.validate import broken_rules
from tests.support.data.example_events import example, frame, load_examples

ARM = {"variant": "a", "version": "1.0.0", "weight": 0.5}
RUNNING = {"name": "tone", "rule": None, "allocation_epoch": 1, "arms": [ARM]}

LONG = "n" * 2_000
MANY = {f"m{number}": 1.0 for number in range(1_000)}
AHEAD = MAX_INSTANT_US - 1
NAMES: tuple[str, ...] = ("prompt", "version", "app", "environment", "label", "variant", "experiment")
NAMES += (
    "provider",
    "request_model",
    "response_model",
    "finish_reason",
    "error_type",
    "client_version",
    "service_tier",
)
IDS = ("unit_id", "session_id", "trace_id", "parent_request_id")

TOKENS: tuple[str, ...] = (
    "cache_creation_input_tokens",
    "cache_creation_5m_input_tokens",
    "cache_creation_1h_input_tokens",
    "audio_input_tokens",
    "image_input_tokens",
    "reasoning_output_tokens",
    "audio_output_tokens",
    "image_output_tokens",
)

BROKEN: list[tuple[EventName, dict[str, Any], str]] = [
    ("requests", {"request_id": ""}, "request_id is not a UUID: ''"),
    ("requests", {"request_id": "01997d3a5c007a108f3e2b9c64d1e001"}, "request_id is not a UUID"),
    ("requests", {"request_id": "01997d3a-5c00-7a10-8f3e-2b9c64d1e00g"}, "request_id is not a UUID"),
    ("requests", {"request_id": "01997d3a-5c00-7a10-8f3e2-b9c64d1e001"}, "request_id is not a UUID"),
    ("requests", {"request_id": "-1997d3a-5c00-7a10-8f3e-2b9c64d1e001"}, "request_id is not a UUID"),
    ("requests", {"request_id": "x" * 200}, f"request_id is not a UUID: '{'x' * 64}...'"),
    ("requests", {"request_id": "\u06601997d3a-5c00-7a10-8f3e-2b9c64d1e00"}, "request_id is not a UUID"),
    (
        "requests",
        {"event_time": AHEAD},
        "event_time is more than a day ahead: 9999-12-31T23:59:59.999999+00:00",
    ),
    ("requests", {"event_time": 0}, "event_time is before 2000: 1970-01-01T00:00:00+00:00"),
    ("requests", {"event_time": -1}, "event_time is outside the years 1970 to 9999: -1 microseconds"),
    ("requests", {"event_time": MAX_INSTANT_US}, "event_time is outside the years 1970 to 9999"),
    ("requests", {"event_time": -(2**63)}, "event_time is outside the years 1970 to 9999"),
    ("requests", {"app": ""}, "app is empty"),
    *(("requests", {name: LONG}, f"{name} is longer than 200 characters: 2000") for name in NAMES),
    *(("requests", {name: "i" * 5_000}, f"{name} is longer than 500 characters: 5000") for name in IDS),
    ("requests", {"version": f"{'9' * 5000}.0.0"}, "version is longer than 200 characters: 5004"),
    ("requests", {"metrics": {LONG: 1.0}}, "a name in metrics is longer than 200 characters: 2000"),
    ("requests", {"metrics": MANY}, "metrics has more than 100 entries: 1000"),
    ("requests", {"metrics": {"a": 1e16}}, "metrics['a'] is beyond 1e+15: 1e+16"),
    ("requests", {"metrics": {"a": -1e200}}, "metrics['a'] is beyond 1e+15: -1e+200"),
    ("requests", {"segments": {LONG: "x"}}, "a name in segments is longer than 200 characters: 2000"),
    ("requests", {"segments": {"a": "v" * 5_000}}, "segments['a'] is longer than 500 characters: 5000"),
    ("requests", {"segments": dict.fromkeys(MANY, "x")}, "segments has more than 100 entries: 1000"),
    ("requests", {"input_tokens": 10**13}, "input_tokens is above 1e+12"),
    ("requests", {"cached_input_tokens": 2**63 - 1}, "cached_input_tokens is above 1e+12"),
    ("requests", {"output_tokens": 2**63 - 1}, "output_tokens is above 1e+12"),
    ("requests", {"cost_nano_usd": 10**16}, "cost_nano_usd is above 1e+15"),
    ("requests", {"latency_ms": 1.7e308}, "latency_ms is above 1e+10"),
    ("requests", {"time_to_first_token_ms": 1e11}, "time_to_first_token_ms is above 1e+10"),
    ("requests", {"environment": ""}, "environment is empty"),
    ("requests", {"prompt": ""}, "prompt is empty"),
    ("requests", {"version": ""}, "version is empty"),
    ("requests", {"unit_group": -1}, "unit_group is below 0: -1"),
    ("requests", {"unit_group": 256}, "unit_group is above 255: 256"),
    ("requests", {"input_tokens": -1}, "input_tokens is below 0: -1"),
    ("requests", {"cached_input_tokens": -5}, "cached_input_tokens is below 0: -5"),
    ("requests", {"output_tokens": -(2**63)}, "output_tokens is below 0"),
    *(("requests", {name: -1}, f"{name} is below 0: -1") for name in TOKENS),
    ("requests", {"other_usage": {"searches": math.nan}}, "other_usage['searches'] is not finite: nan"),
    ("requests", {"request_parameters": {"a": "v" * 5_000}}, "request_parameters['a'] is longer than 500"),
    ("requests", {"cost_nano_usd": -1}, "cost_nano_usd is below 0: -1"),
    ("requests", {"latency_ms": math.nan}, "latency_ms is not finite: nan"),
    ("requests", {"latency_ms": math.inf}, "latency_ms is not finite: inf"),
    ("requests", {"latency_ms": -0.001}, "latency_ms is below 0: -0.001"),
    ("requests", {"time_to_first_token_ms": -math.inf}, "time_to_first_token_ms is not finite: -inf"),
    ("requests", {"metrics": {"a": 1.0, "b": math.nan}}, "metrics['b'] is not finite: nan"),
    ("requests", {"version": "", "app": "", "latency_ms": -1.0}, "app is empty"),
    ("feedback", {"feedback_id": "x"}, "feedback_id is not a UUID: 'x'"),
    ("feedback", {"request_id": "x"}, "request_id is not a UUID: 'x'"),
    ("feedback", {"app": ""}, "app is empty"),
    ("feedback", {"rating": math.inf}, "rating is not finite: inf"),
    ("feedback", {"rating": -1e16}, "rating is below -1e+15"),
    ("feedback", {"unit_id": "u" * 5_000}, "unit_id is longer than 500 characters: 5000"),
    ("feedback", {"metadata": {"a": "v" * 5_000}}, "metadata['a'] is longer than 500 characters: 5000"),
    ("scores", {"score_id": "x"}, "score_id is not a UUID: 'x'"),
    ("scores", {"name": ""}, "name is empty"),
    ("scores", {"value": math.nan}, "value is not finite: nan"),
    ("scores", {"value": 1e200}, "value is above 1e+15"),
    ("scores", {"name": LONG}, "name is longer than 200 characters: 2000"),
    ("scores", {"scorer": "s" * 5_000}, "scorer is longer than 500 characters: 5000"),
    ("scores", {"unit_id": LONG}, "unit_id is longer than 500 characters: 2000"),
    ("scores", {"session_id": LONG}, "session_id is longer than 500 characters: 2000"),
    ("deployments", {"environment": ""}, "environment is empty"),
    ("deployments", {"revision": -1}, "revision is below 0: -1"),
    ("deployments", {"arms": [ARM, {**ARM, "weight": -0.5}]}, "arms[1].weight is below 0: -0.5"),
    ("deployments", {"arms": [{**ARM, "variant": ""}]}, "arms[0].variant is empty"),
    ("deployments", {"action": ""}, "action is empty"),
    ("deployments", {"version": LONG}, "version is longer than 200 characters: 2000"),
    ("deployments", {"experiment": LONG}, "experiment is longer than 200 characters: 2000"),
    ("deployments", {"changed_by": LONG}, "changed_by is longer than 200 characters: 2000"),
    ("deployments", {"arms": [{**ARM, "version": LONG}]}, "arms[0].version is longer than 200"),
    ("deployments", {"arms": [ARM] * 1_000}, "arms has more than 100 entries: 1000"),
    ("deployments", {"experiments": [{**RUNNING, "name": ""}]}, "experiments[0].name is empty"),
    ("deployments", {"experiments": [RUNNING, {**RUNNING, "rule": LONG}]}, "experiments[1].rule is longer"),
    (
        "deployments",
        {"experiments": [{**RUNNING, "arms": [ARM, {**ARM, "weight": -0.5}]}]},
        "experiments[0].arms[1].weight is below 0: -0.5",
    ),
    ("deployments", {"rollout": LONG}, "rollout is longer than 200 characters: 2000"),
    ("rollout_transitions", {"rollout": ""}, "rollout is empty"),
    ("rollout_transitions", {"decision": 0}, "decision is below 1: 0"),
    ("rollout_transitions", {"treatment": ""}, "treatment is empty"),
    ("rollout_transitions", {"control": ""}, "control is empty"),
    ("rollout_transitions", {"kind": ""}, "kind is empty"),
    ("rollout_transitions", {"state": ""}, "state is empty"),
    ("rollout_transitions", {"from_state": LONG}, "from_state is longer than 200 characters: 2000"),
    ("rollout_transitions", {"from_stage": -1}, "from_stage is below 0: -1"),
    ("rollout_transitions", {"stage": -1}, "stage is below 0: -1"),
    ("rollout_transitions", {"weights": {"a": math.nan}}, "weights['a'] is not finite: nan"),
    ("rollout_transitions", {"actor": LONG}, "actor is longer than 200 characters: 2000"),
    ("rollout_transitions", {"revision": -1}, "revision is below 0: -1"),
    ("alerts", {"fingerprint": ""}, "fingerprint is empty"),
    ("alerts", {"value": math.nan}, "value is not finite: nan"),
    ("alerts", {"rule": ""}, "rule is empty"),
    ("alerts", {"transition": -1}, "transition is below 0: -1"),
    ("alerts", {"firing": -1}, "firing is below 0: -1"),
    ("alerts", {"fired_at": -1}, "fired_at is outside the years 1970 to 9999"),
    ("alerts", {"silenced_until": -1}, "silenced_until is outside the years 1970 to 9999"),
    ("alerts", {"actor": LONG}, "actor is longer than 200 characters: 2000"),
    ("dead_letters", {"dead_letter_id": "x"}, "dead_letter_id is not a UUID: 'x'"),
    ("dead_letters", {"source_timestamp": -1}, "source_timestamp is outside the years 1970 to 9999"),
]

ALLOWED: list[tuple[EventName, dict[str, Any]]] = [
    ("requests", {"request_id": "01997D3A-5C00-7A10-8F3E-2B9C64D1E001"}),
    ("requests", {"request_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}),
    ("requests", {"event_time": EARLIEST_US}),
    ("requests", {"event_time": time.time_ns() // 1000 + AHEAD_US - 1}),
    ("requests", dict.fromkeys((*NAMES, *IDS), "\u20ac" * 200)),
    (
        "requests",
        {"metrics": dict.fromkeys(list(MANY)[:100], 1000000000000000.0), "segments": {"k" * 200: "v" * 500}},
    ),
    ("dead_letters", {"source_timestamp": 0}),
    ("dead_letters", {"source_timestamp": MAX_INSTANT_US - 1}),
    ("requests", {"unit_group": 0, "input_tokens": 0, "cost_nano_usd": 0, "latency_ms": 0.0}),
    ("requests", {"unit_group": 255, "input_tokens": 10**12, "latency_ms": 1e10}),
    ("requests", {"latency_ms": -0.0, "metrics": {"": -1e15, "a": 5e-324}, "unit_id": ""}),
    ("feedback", {"rating": -3.5}),
    ("scores", {"name": "size", "value": -1e15}),
    ("deployments", {"arms": [{**ARM, "weight": 0.0}]}),
]


@pytest.mark.parametrize(("event", "changes", "reason"), BROKEN)
def test_a_broken_rule_is_found_by_both_paths(event: EventName, changes: dict[str, Any], reason: str) -> None:
    bad = frame(event, **changes)
    with pytest.raises(InvalidValue) as refused:
        Decoder(SchemaResolver()).decode(event, bad)
    assert refused.value.reason.startswith(reason)
    good = [frame(event, **record) for record in load_examples(event)]
    result = BatchDecoder(SchemaResolver()).decode(event, [good[0], bad, *good, bad])
    assert [(f.index, f.stage, f.reason) for f in result.failures] == [
        (1, "validate", refused.value.reason),
        (2 + len(good), "validate", refused.value.reason),
    ]
    assert result.rows.tolist() == [0, *range(2, 2 + len(good))]


@pytest.mark.parametrize(("event", "changes"), ALLOWED)
def test_values_at_the_edge_are_allowed_by_both_paths(event: EventName, changes: dict[str, Any]) -> None:
    message = frame(event, **changes)
    decoded = Decoder(SchemaResolver()).decode_plain(event, message)
    assert {name: decoded[name] for name in changes} == changes
    assert BatchDecoder(SchemaResolver()).decode(event, [message]).failures == []


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_every_rule_has_a_case_here(event: EventName) -> None:
    tried = {name for other, changes, _ in BROKEN for name in changes if other == event}
    other_events_cover = {"event_time", "app", "environment", "prompt", "request_id", "rule"}
    assert {rule.field for rule in RULES[event]} - other_events_cover <= tried


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_rules_are_about_fields_that_exist(event: EventName) -> None:
    assert {rule.field for rule in RULES[event]} <= set(arrow_schema(event).names)


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_examples_and_empty_batches_break_no_rule(event: EventName) -> None:
    assert [first_problem(event, record) for record in load_examples(event)] == [None] * len(
        load_examples(event)
    )
    empty = pa.RecordBatch.from_pylist([], schema=arrow_schema(event))
    assert broken_rules(event, empty) == {}


def test_null_is_no_broken_rule_wherever_it_stands() -> None:
    unknown = {"input_tokens": None, "cost_nano_usd": None, "time_to_first_token_ms": None}
    frames = [frame("requests", **unknown), frame("requests", input_tokens=-1), frame("requests", **unknown)]
    result = BatchDecoder(SchemaResolver()).decode("requests", frames)
    assert [failure.index for failure in result.failures] == [1]
    assert example("requests")["input_tokens"] == 812


def test_a_record_fitted_to_the_limits_keeps_what_it_can_and_stays_told_apart() -> None:
    long = {"prompt": LONG, "version": "9" * 5000, "unit_id": "u" * 9000, "metrics": {**MANY, "huge": 1e200}}
    record = {**example("requests"), **long, "segments": {"k" * 300: "v" * 900}}
    kept = fitted("requests", record)
    assert first_problem("requests", kept) is None
    assert (len(kept["prompt"]), len(kept["version"]), len(kept["unit_id"])) == (NAME_CHARS, 200, ID_CHARS)
    assert kept["unit_group"] == unit_group(kept["unit_id"])
    assert list(kept["metrics"]) == list(MANY)[:100]
    assert kept["prompt"] != fitted("requests", {**record, "prompt": f"{LONG}x"})["prompt"]
    assert fitted("requests", example("requests")) == example("requests")
