"""Spans over HTTP, from exporters of OTLP, into a real server and out of its store."""

import gzip
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from coalmine_schemas.identifiers import uuid7
from coalmine_server.services.otlp.spans import Span
from tests.server.api.conftest import stored
from tests.server.registry_client import Person
from tests.support.data.spans import CHAT, as_json, as_protobuf, evaluation, span
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, with_constants
from tests.support.servers.npm_cache import installed, missing_tools

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
PROCESSES = Path(__file__).parents[2] / "support" / "processes"
SERVICE = PROCESSES / "instrumented_service.py"
NODE_SERVICE = PROCESSES / "node_service"


def fresh(attributes: Any = CHAT, **fields: Any) -> Span:
    """A span of its own trace."""
    return span(attributes, trace_id=uuid7().replace("-", ""), **{"resource": {}, **fields})


def send(sender: Person, body: bytes, content_type: str, **headers: str) -> httpx2.Response:
    return sender.client.post("/v1/traces", content=body, headers={"Content-Type": content_type, **headers})


def calls_of(admin: Person, prompt: str, number: int = 1) -> list[dict[str, Any]]:
    """The calls of a prompt once there are so many in the store."""

    def found() -> dict[str, Any] | None:
        rows = [each for each in admin.get("/v1/versions")["items"] if each["prompt"] == prompt]
        return rows[0] if rows and sum(each["requests"] for each in rows) >= number else None

    eventually(found, what=f"{number} calls of {prompt} stored")
    rows = [each for each in admin.get("/v1/versions")["items"] if each["prompt"] == prompt]
    return rows


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_span_is_stored_and_priced_and_the_answer_has_its_encoding(
    admin: Person, sender: Person, content_type: str, zipped: bool
) -> None:
    request_id = uuid7()
    given = fresh({**CHAT, "coalmine.request_id": request_id}, events=(evaluation(score_value=0.5),))
    body = (as_protobuf if content_type == PROTOBUF else as_json)([given])
    if zipped:
        response = send(sender, gzip.compress(body), content_type, **{"Content-Encoding": "gzip"})
    else:
        response = send(sender, body, content_type)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == content_type
    assert response.content == (b"" if content_type == PROTOBUF else b"{}")
    row = stored(admin, request_id, scores=1)
    assert (row["prompt"], row["version"], row["environment"]) == ("support-refund", "1.2.0", "prod")
    assert (row["trace_id"], row["app"][:4]) == (given.trace_id, "app-")
    assert row["cost_nano_usd"] == 1000 * 150 + 100 * 600  # by the collector, from the price list
    assert row["scores"][0]["value"] == 0.5


def test_a_retry_counts_once(admin: Person, sender: Person) -> None:
    again = fresh({**CHAT, "gen_ai.prompt.name": "spans-retried"})
    for encode, content_type in ((as_protobuf, PROTOBUF), (as_json, JSON), (as_protobuf, PROTOBUF)):
        assert send(sender, encode([again]), content_type).status_code == 200
    last = fresh({**CHAT, "gen_ai.prompt.name": "spans-after-retries"})
    send(sender, as_protobuf([last]), PROTOBUF)
    calls_of(admin, "spans-after-retries")
    (row,) = calls_of(admin, "spans-retried")
    assert row["requests"] == 1


def test_what_was_not_taken_is_answered_and_counted(admin: Person, sender: Person) -> None:
    nameless = {key: value for key, value in CHAT.items() if not key.startswith("gen_ai.prompt.")}
    spans = [fresh(), fresh(nameless), fresh({"http.route": "/"})]
    before = counted(admin)
    told = ExportTraceServiceResponse.FromString(send(sender, as_protobuf(spans), PROTOBUF).content)
    assert told.partial_success.rejected_spans == 1
    assert "gen_ai.prompt.name" in told.partial_success.error_message
    in_json = send(sender, as_json(spans), JSON).json()["partialSuccess"]
    assert (in_json["rejectedSpans"], in_json["errorMessage"]) == ("1", told.partial_success.error_message)
    after = counted(admin)
    changed = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name)}
    assert changed == {"stored": 2, "no_prompt": 2, "ignored": 2}


def counted(admin: Person) -> dict[str, float]:
    """Spans by outcome, as Prometheus sees them."""
    lines = admin.client.get("/metrics").text.splitlines()
    prefix = 'coalmine_otlp_spans_total{outcome="'
    found = (line.removeprefix(prefix) for line in lines if line.startswith(prefix))
    return {line.partition('"')[0]: float(line.rpartition(" ")[2]) for line in found}


BOMB = gzip.compress(b"\x00" * (64 << 20), compresslevel=1)
HOSTILE = [
    (b"\x0b", "", 400, "in protobuf"),
    (b"x", "gzip", 400, "gzip"),
    (b"x", "br", 400, "'br'"),
    (BOMB, "gzip", 413, "8,388,608 bytes"),
    (b"\x0a\x00" * 30_000, "", 413, "spans"),
]


@pytest.mark.parametrize(("body", "encoding", "status", "words"), HOSTILE)
def test_a_hostile_body_is_answered_as_otlp_says(
    sender: Person, body: bytes, encoding: str, status: int, words: str
) -> None:
    response = send(sender, body, PROTOBUF, **({"Content-Encoding": encoding} if encoding else {}))
    assert (response.status_code, response.headers["content-type"]) == (status, PROTOBUF)
    # A google.rpc.Status: field 2, its length, its message.
    assert response.content[:1] == b"\x12"
    assert words in response.text


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"[", JSON, 400, "in JSON"),
        (b"x" * ((8 << 20) + 1), PROTOBUF, 413, "8,388,608 bytes"),
        (b"<a/>", "text/xml", 415, "text/xml"),
        (b"", "", 415, "content type"),
    ],
)
def test_other_problems_are_documents_as_everywhere(
    sender: Person, body: bytes, content_type: str, status: int, words: str
) -> None:
    response = send(sender, body, content_type)
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert words in response.json()["detail"]


def test_an_exporter_that_goes_away_within_a_body_is_no_fault_of_the_server(
    server: ServerProcess, admin: Person, sender: Person
) -> None:
    address = urlsplit(server.url)
    head = (
        f"POST /v1/traces HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {sender.token}\r\n"
        f"Content-Type: {PROTOBUF}\r\nContent-Length: 1000\r\n\r\nabc"
    )
    of_traces = 'coalmine_http_requests_total{method="POST",route="/v1/traces",status='

    def answered() -> dict[str, float]:
        lines = admin.client.get("/metrics").text.splitlines()
        found = (line.removeprefix(of_traces) for line in lines if line.startswith(of_traces))
        return {line[1:4]: float(line.rpartition(" ")[2]) for line in found}

    before = answered()

    def changed() -> dict[str, float] | None:
        now = answered()
        return now if now != before else None

    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        connection.sendall(head.encode())
    after = eventually(changed, what="the half body noticed")
    assert {status for status, number in after.items() if number > before.get(status, 0)} == {"400"}


def test_an_app_that_sends_too_many_is_told_when_to_come_back(sender: Person) -> None:
    body = as_protobuf([fresh({**CHAT, "gen_ai.prompt.name": "spans-flood"}) for _ in range(400)])
    assert send(sender, body, PROTOBUF).status_code == 200
    response = send(sender, body, PROTOBUF)
    assert response.status_code == 429
    assert response.content[:1] == b"\x12"
    assert 0 < int(response.headers["retry-after"]) <= 21
    assert send(sender, as_json([fresh()] * 400), JSON).json()["type"] == "urn:coalmine:too-many-events"


def test_while_the_spool_cannot_be_written_exporters_are_told_to_come_back(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_text("a file where the folder should be")
    settings = {
        "COALMINE_SPOOL_DIR": str(spool),
        **with_constants(coalmine_server__services__intake__safe__WAIT_S=0.5),
    }
    with ServerProcess(tmp_path / "home", settings) as server, Person.local(server) as admin:
        response = send(admin, as_protobuf([fresh()]), PROTOBUF)
    assert response.status_code == 503, response.text
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("instrumentation", ["genai", "openllmetry", "openinference"])
def test_a_service_with_an_official_instrumentation_is_measured_without_our_client(
    admin: Person, sender: Person, instrumentation: str
) -> None:
    done = subprocess.run(
        [sys.executable, str(SERVICE), instrumentation, f"{sender.client.base_url}/v1/traces", sender.token],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trace_ids: dict[str, str] = json.loads(done.stdout)
    rows = {style: stored(admin, request_id) for style, request_id in trace_ids.items()}
    found = {
        style: (
            row["outcome"],
            row["error_type"],
            row["input_tokens"],
            row["cached_input_tokens"],
            row["output_tokens"],
        )
        for style, row in rows.items()
    }
    assert found == {
        "chat": ("ok", None, 1200, 1024, 80),
        "stream": ("ok", None, 1200, 1024, 80),
        "closed": ("cancelled", None, None, None, None),
        "too_many": ("error", "RateLimitError", None, None, None),
        "bad": ("error", "BadRequestError", None, None, None),
        "broken": ("error", "InternalServerError", None, None, None),
        "responses": ("ok", None, 36, 12, 87),
        "embeddings": ("ok", None, 8, rows["embeddings"]["cached_input_tokens"], None),
    }
    for style, row in rows.items():
        assert (row["prompt"], row["version"], row["app"]) == (
            "support-refund",
            "1.2.0",
            f"{instrumentation}-service",
        )
        assert row["request_model"] == {
            "responses": "gpt-4.1",
            "embeddings": "text-embedding-3-small",
        }.get(style, "gpt-4o-mini")
        assert row["provider"] == "openai"
        assert (row["time_to_first_token_ms"] is not None) == (style in ("stream", "closed"))
    assert rows["chat"]["response_model"] == "gpt-4o-mini-2024-07-18"
    assert rows["chat"]["finish_reason"] == "stop"
    assert rows["chat"]["cost_nano_usd"] == 176 * 150 + 1024 * 75 + 80 * 600


@pytest.mark.skipif(missing_tools() is not None, reason=f"{missing_tools()}")
@pytest.mark.parametrize("encoding", ["http", "proto"])
def test_a_plain_service_in_node_is_measured(admin: Person, sender: Person, encoding: str) -> None:
    before, request_id = counted(admin), uuid7()
    done = subprocess.run(
        ["node", "service.mjs", encoding, f"{sender.client.base_url}/v1/traces", sender.token, request_id],
        cwd=installed(NODE_SERVICE),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    row = stored(admin, request_id, feedback=1)
    assert (row["prompt"], row["version"], row["app"]) == (f"from-node-{encoding}", "1.0.0", "node-service")
    assert (row["environment"], row["outcome"], row["input_tokens"]) == ("staging", "ok", 1000)
    assert row["feedback"][0]["thumbs"] == "up"
    (version,) = calls_of(admin, f"from-node-{encoding}", 2)
    assert (version["requests"], version["errors"]) == (2, 1)
    after = counted(admin)
    assert (after["stored"] - before.get("stored", 0), after["ignored"] - before.get("ignored", 0)) == (2, 1)
