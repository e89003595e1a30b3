"""Events over HTTP, into a real server and out of its store."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.limits import shortened
from tests.server.api.conftest import stored
from tests.server.registry_client import Person
from tests.support.processes.coalmine_process import ServerProcess, with_constants


def call(**fields: Any) -> dict[str, Any]:
    return {
        "type": "request",
        "request_id": uuid7(),
        "prompt": "from-go",
        "version": "1.0.0",
        "latency_ms": 120.5,
        "request_model": "gpt-4o-mini",
        "provider": "openai",
        "input_tokens": 1000,
        "output_tokens": 100,
        **fields,
    }


def test_a_request_feedback_and_a_score_are_stored_and_priced(admin: Person, sender: Person) -> None:
    asked = call(unit_id="user-7", segments={"tier": "pro"}, metrics={"quality": 0.5})
    request_id = asked["request_id"]
    answer = sender.post(
        "/v1/events",
        {
            "events": [
                asked,
                {"type": "feedback", "request_id": request_id, "thumbs": "down", "comment": "no"},
                {"type": "score", "request_id": request_id, "name": "groundedness", "value": 0.75},
            ]
        },
    )
    assert answer == {"accepted": 3, "without_texts": 1, "errors": []}
    found = stored(admin, request_id, 1, 1)
    row = found
    assert (row["prompt"], row["version"], row["app"][:4]) == ("from-go", "1.0.0", "app-")
    assert (row["environment"], row["outcome"], row["unit_id"]) == ("prod", "ok", "user-7")
    assert row["cost_nano_usd"] == 1000 * 150 + 100 * 600  # by the collector, from the price list
    assert found["feedback"][0]["thumbs"] == "down"
    assert found["feedback"][0]["comment"] is None  # texts are not captured here
    assert (found["scores"][0]["name"], found["scores"][0]["value"]) == ("groundedness", 0.75)


def test_a_retry_counts_once(admin: Person, sender: Person) -> None:
    asked = call(prompt="retried")
    vote = {"type": "feedback", "request_id": asked["request_id"], "thumbs": "up"}
    for _ in range(3):
        sender.post("/v1/events", {"events": [asked, vote]})
    last = call(prompt="after-retries")
    sender.post("/v1/events", {"events": [last]})
    stored(admin, last["request_id"])
    (row,) = [each for each in admin.get("/v1/versions")["items"] if each["prompt"] == "retried"]
    assert row["requests"] == 1
    assert len(stored(admin, asked["request_id"], 1)["feedback"]) == 1


def test_a_late_outcome_finds_the_last_call_of_its_unit(admin: Person, sender: Person) -> None:
    unit, session = f"user-{uuid7()}", f"session-{uuid7()}"
    first, last = (call(unit_id=unit, session_id=each, prompt="sold") for each in (session, None))
    sender.post("/v1/events", {"events": [first]})
    sender.post("/v1/events", {"events": [last]})
    at = datetime.now(UTC).isoformat()
    paid = {"type": "outcome", "unit_id": unit, "name": "paid", "value": 3.0, "event_time": at}
    reopened = {"type": "outcome", "session_id": session, "name": "reopened", "value": 1.0}
    for _ in range(2):
        assert sender.post("/v1/events", {"events": [paid]})["accepted"] == 1
    sender.post("/v1/events", {"events": [reopened]})
    (of_last,) = stored(admin, last["request_id"], scores=1)["scores"]
    (of_first,) = stored(admin, first["request_id"], scores=1)["scores"]
    assert (of_last["name"], of_last["value"]) == ("paid", 3.0)
    assert (of_first["name"], of_first["value"]) == ("reopened", 1.0)


OF_UNIT = {"type": "outcome", "unit_id": "u", "name": "paid", "value": 1.0}
BAD_OUTCOMES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nobody's": ({**OF_UNIT, "unit_id": ""}, "unit_id", "session_id"),
    "a call's": ({**OF_UNIT, "request_id": uuid7()}, "request_id", "no field"),
    "no value": ({**OF_UNIT, "value": None}, "value", ""),
    "no uuid": ({**OF_UNIT, "score_id": "7"}, "score_id", "not a UUID"),
    "no time": ({**OF_UNIT, "event_time": "yesterday"}, "event_time", "2026-"),
    "beyond a range": ({**OF_UNIT, "name": "quality"} | {"value": 1.5}, "value", "its range from 0 to 1"),
    "no zone": ({**OF_UNIT, "event_time": "2026-11-29T10:00:00"}, "event_time", "time zone"),
    "a unit's score": ({**OF_UNIT, "type": "score", "request_id": uuid7()}, "unit_id", "no field"),
}


@pytest.mark.parametrize("bad", BAD_OUTCOMES)
def test_a_bad_outcome_says_what_to_change(sender: Person, bad: str) -> None:
    event, field, words = BAD_OUTCOMES[bad]
    answer = sender.post("/v1/events", {"events": [event, call()]})
    (problem,) = answer["errors"]
    assert (answer["accepted"], problem["index"], problem["field"]) == (1, 0, field)
    assert words in problem["detail"]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no type": ({"type": None}, "type", "request, feedback, score"),
    "misspelt": ({"latencyms": 3}, "latencyms", "did you mean latency_ms"),
    "no id": ({"request_id": None}, "request_id", "is missing"),
    "no uuid": ({"request_id": "7"}, "request_id", "not a UUID"),
    "no prompt": ({"prompt": ""}, "prompt", "empty"),
    "hundreds of digits": ({"input_tokens": 10**400}, "input_tokens", "is above 1e+12"),
    "a price of hundreds": ({"cost_nano_usd": -(10**400)}, "cost_nano_usd", "is below 0"),
    "65 bits": ({"allocation_epoch": 2**64}, "", "beyond 64 bits"),
    "long name": (
        {"metrics": {"n" * 100_000: "x"}},
        shortened(f"metrics.{'n' * 100_000}", 64),
        "valid number",
    ),
    "negative": ({"latency_ms": -1}, "latency_ms", "-1"),
    "text for number": ({"input_tokens": "many"}, "input_tokens", "integer"),
    "true for tokens": ({"input_tokens": True}, "input_tokens", "is true: give a number"),
    "true for milliseconds": ({"latency_ms": True}, "latency_ms", "is true: give a number"),
    "true for searches": ({"other_usage": {"web_searches": True}}, "other_usage.web_searches", "is true"),
    "no zone": ({"event_time": "2026-11-29T10:00:00"}, "event_time", "time zone"),
    "no time": ({"event_time": "yesterday"}, "event_time", "2026-"),
    "far future": ({"event_time": "2126-01-01T00:00:00Z"}, "event_time", ""),
    "computed": ({"unit_group": 3}, "unit_group", "no field"),
    "no such outcome": ({"outcome": "fine"}, "outcome", "'ok'"),
    "beyond a range": ({"metrics": {"quality": 5}}, "metrics.quality", "its range from 0 to 1"),
    "beyond a declared range": ({"metrics": {"tone": 0.5, "stars": 0}}, "metrics.stars", "from 1 to 5"),
    "half a character": ({"unit_id": "\ud800"}, "", "plain text"),
    "half a name": ({"\ud800": 1}, "?", "no field"),
    "half a label": ({"label": "\ud800"}, "", "plain text"),
}


def test_each_bad_event_is_named_with_a_remedy_and_loses_nothing_of_the_others(
    admin: Person, sender: Person
) -> None:
    good = call(prompt="beside-bad")
    events = [good, *(call(**fields) for fields, _, _ in BAD.values())]
    # As text: half a character is JSON, but no text that the client would send.
    body = json.dumps({"events": events})
    response = sender.client.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["accepted"] == 1
    assert [each["index"] for each in answer["errors"]] == list(range(1, len(BAD) + 1))
    for each, (name, (_, field, words)) in zip(answer["errors"], BAD.items(), strict=True):
        assert each["field"] == field, (name, each)
        assert words in each["detail"], (name, each)
    stored(admin, good["request_id"])


def test_what_is_no_object_costs_no_other_event(admin: Person, sender: Person) -> None:
    good = call(prompt="beside-none")
    answer = sender.post("/v1/events", {"events": [None, good, 5, []]})
    assert (answer["accepted"], [each["index"] for each in answer["errors"]]) == (1, [0, 2, 3])
    assert {each["detail"] for each in answer["errors"]} == {
        "is not an object: give one with `type` and the fields of its event"
    }
    stored(admin, good["request_id"])


def test_an_empty_text_says_nothing_as_languages_without_null_send_it(admin: Person, sender: Person) -> None:
    names = ("error_type", "finish_reason", "experiment", "variant", "provider", "session_id", "unit_id")
    asked = call(**dict.fromkeys((*names, "outcome", "event_time", "request_model", "trace_id"), ""))
    request_id = asked["request_id"]
    vote = {"type": "feedback", "request_id": request_id, "thumbs": "up", "correction": "", "unit_id": ""}
    assert sender.post("/v1/events", {"events": [asked, vote]})["accepted"] == 2
    found = stored(admin, request_id, 1)
    assert {name: found[name] for name in names if name != "unit_id"} == dict.fromkeys(names[:-1])
    assert (found["outcome"], found["unit_id"], found["request_model"]) == ("ok", request_id, "unknown")
    (kept,) = found["feedback"]
    assert (kept["thumbs"], kept["correction"], kept["unit_id"]) == ("up", None, None)


def test_a_batch_without_a_good_event_is_refused(sender: Person) -> None:
    answer = sender.post("/v1/events", {"events": [{"type": "score"}]}, expect=422)
    assert answer["errors"] == [
        {
            "name": "events.0.request_id",
            "detail": "is missing: give the call's id, the same in a retry: an id counts once",
        }
    ]
    empty = {"type": "feedback", "request_id": uuid7()}
    assert "says nothing" in sender.post("/v1/events", {"events": [empty]}, expect=422)["detail"]


UNREADABLE: dict[str, tuple[bytes, str, str]] = {
    "compressed": (gzip.compress(b"{}"), "gzip", "Content-Encoding"),
    "another encoding": ('{"events": ["é"]}'.encode("latin-1"), "", "UTF-8"),
    "nested": (b"[" * 100_000, "", "nested too deeply"),
    "digits": (b'{"events": [1' + b"0" * 5_000 + b"]}", "", "digits"),
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_a_body_that_cannot_be_read_says_why(sender: Person, why: str) -> None:
    body, encoding, words = UNREADABLE[why]
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    response = sender.client.post("/v1/events", content=body, headers=headers)
    assert (response.status_code, response.json()["type"]) == (400, "urn:coalmine:unreadable-body")
    assert words in response.json()["detail"]


def test_a_batch_is_bounded(sender: Person) -> None:
    many = [{"type": "score"}] * 501
    assert "500" in sender.post("/v1/events", {"events": many}, expect=422)["detail"]
    assert sender.post("/v1/events", {"events": [{"a": "x" * 9_000_000}]}, expect=413)["title"]


def test_an_app_that_sends_too_many_is_told_when_to_come_back(admin: Person, sender: Person) -> None:
    batch = {"events": [call(prompt="flood") for _ in range(400)]}
    sender.post("/v1/events", batch)
    response = sender.client.post("/v1/events", json=batch)
    assert response.status_code == 429
    assert response.json()["type"] == "urn:coalmine:too-many-events"
    assert 0 < int(response.headers["retry-after"]) <= 21
    with admin.make("another", "ingest") as another:
        another.post("/v1/events", {"events": [call(prompt="quiet")]})


def test_a_token_of_some_prompts_spends_nothing_of_an_app_that_it_names(admin: Person) -> None:
    batch = {"events": [call(prompt="flood.some", app="their-app") for _ in range(400)]}
    with admin.make("of-some", "ingest", ["flood.*"]) as some, admin.make("of-all", "ingest") as every:
        some.post("/v1/events", batch)
        some.post("/v1/events", batch, expect=429)
        every.post("/v1/events", batch)


def test_a_token_that_writes_reads_nothing(sender: Person) -> None:
    for path in ("/v1/whoami", "/v1/versions", "/v1/deployments/prod", "/metrics"):
        assert sender.client.get(path).status_code == 403, path


def test_while_the_spool_cannot_be_written_senders_are_told_to_come_back(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_text("a file where the folder should be")
    settings = {
        "COALMINE_SPOOL_DIR": str(spool),
        **with_constants(coalmine_server__services__intake__safe__WAIT_S=0.5),
    }
    with ServerProcess(tmp_path / "home", settings) as server, Person.local(server) as admin:
        response = admin.client.post("/v1/events", json={"events": [call()]})
    assert response.status_code == 503, response.text
    assert response.json()["type"] == "urn:coalmine:intake-unavailable"
    assert int(response.headers["retry-after"]) > 0
