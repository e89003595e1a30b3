"""The registry client tells what may be tried again from what may not, and asks once for what it can keep."""

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from pytest_httpserver import HTTPServer

from coalmine_schemas.errors import InvalidParameter, RegistryRefused, RegistryUnavailable, UnknownSchema
from coalmine_schemas.registry_client import MOST_UNKNOWN, SchemaRegistryClient

SCHEMA = '{"type":"record","name":"R","fields":[]}'
BY_ID = "/api/schemas/ids/7"
SUBJECT = "/api/subjects/coalmine.scores-value/versions"
UNKNOWN = {"error_code": 40403, "message": "Schema 7 not found"}


@pytest.fixture
def client(httpserver: HTTPServer) -> Iterator[SchemaRegistryClient]:
    client = SchemaRegistryClient(httpserver.url_for("/api/"), timeout_s=5.0)
    yield client
    client.close()


def _answer(httpserver: HTTPServer, status: int, body: object, path: str = BY_ID) -> None:
    httpserver.expect_request(path).respond_with_json(body, status=status)


def test_a_schema_is_asked_for_once(httpserver: HTTPServer, client: SchemaRegistryClient) -> None:
    httpserver.expect_oneshot_request(BY_ID, method="GET").respond_with_json({"schema": SCHEMA})
    assert [client.schema_by_id(7) for _ in range(3)] == [SCHEMA] * 3
    assert len(httpserver.log) == 1


def test_a_schema_is_registered_once_per_subject(
    httpserver: HTTPServer, client: SchemaRegistryClient
) -> None:
    body = {"schema": SCHEMA, "schemaType": "AVRO"}
    httpserver.expect_oneshot_request(SUBJECT, method="POST", json=body).respond_with_json({"id": 3})
    assert [client.register("coalmine.scores-value", SCHEMA) for _ in range(3)] == [3, 3, 3]
    assert httpserver.log[0][0].content_type == "application/vnd.schemaregistry.v1+json"


def test_a_subject_may_have_any_name(httpserver: HTTPServer, client: SchemaRegistryClient) -> None:
    httpserver.expect_request("/api/subjects/a/b?c-value/versions").respond_with_json({"id": 1})
    assert client.register("a/b?c-value", SCHEMA) == 1


def test_credentials_are_sent_and_never_shown(httpserver: HTTPServer) -> None:
    httpserver.expect_request(BY_ID).respond_with_json({"message": "no"}, status=401)
    url = httpserver.url_for("/api").replace("http://", "http://user:hunter2@")
    for client in (
        SchemaRegistryClient(url),
        SchemaRegistryClient(httpserver.url_for("/api"), auth=("user", "hunter2")),
    ):
        with pytest.raises(RegistryRefused) as refused:
            client.schema_by_id(7)
        assert "hunter2" not in repr(client) + str(refused.value) + repr(refused.value.args)
        authorization = httpserver.log[-1][0].authorization
        assert authorization is not None
        assert (authorization.username, authorization.password) == ("user", "hunter2")
        client.close()


def test_an_unknown_id_is_a_bad_message_and_remembered_for_a_while(httpserver: HTTPServer) -> None:
    now = 100.0
    client = SchemaRegistryClient(httpserver.url_for("/api"), unknown_for_s=30.0, clock=lambda: now)
    _answer(httpserver, 404, UNKNOWN)
    for _ in range(3):
        with pytest.raises(UnknownSchema) as unknown:
            client.schema_by_id(7)
        assert unknown.value.schema_ref == "id:7"
        assert unknown.value.reason == "the schema registry has no schema 7"
    assert len(httpserver.log) == 1
    httpserver.clear()
    _answer(httpserver, 200, {"schema": SCHEMA})
    now = 131.0
    assert client.schema_by_id(7) == SCHEMA, "somebody registered it in the meantime"
    client.close()


def test_any_number_of_unknown_ids_costs_a_bounded_number_of_requests(httpserver: HTTPServer) -> None:
    now = 100.0
    client = SchemaRegistryClient(httpserver.url_for("/api"), unknown_for_s=30.0, clock=lambda: now)
    by_id = re.compile("/api/schemas/ids/.*")
    httpserver.expect_request(by_id).respond_with_json(UNKNOWN, status=404)
    for schema_id in range(1, 1000):
        with pytest.raises(UnknownSchema):
            client.schema_by_id(schema_id)
    with pytest.raises(UnknownSchema) as unknown:
        client.schema_by_id(1000)
    assert unknown.value.reason == (
        "schema 1000 was not asked for: the schema registry did not know 100 others in the last 30 s; "
        "replay the message later"
    )
    assert len(httpserver.log) == MOST_UNKNOWN
    httpserver.clear()
    httpserver.expect_request(by_id).respond_with_json({"schema": SCHEMA})
    now = 131.0
    assert client.schema_by_id(999) == SCHEMA
    client.close()


@pytest.mark.parametrize("schema_id", [-1, 2**31, 2**32 - 1])
def test_ids_no_registry_gives_out_are_not_asked_for(
    httpserver: HTTPServer, client: SchemaRegistryClient, schema_id: int
) -> None:
    with pytest.raises(UnknownSchema, match="beyond what registries give out"):
        client.schema_by_id(schema_id)
    assert not httpserver.log


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"schema": "{}", "schemaType": "JSON"}, "schema 7 is JSON, not Avro"),
        ({"schema": "x", "schemaType": "PROTOBUF"}, "schema 7 is PROTOBUF, not Avro"),
        ({"schema": SCHEMA, "references": [{"name": "A"}]}, "schema 7 refers to other subjects"),
    ],
)
def test_schemas_we_cannot_use_make_bad_messages(
    httpserver: HTTPServer, client: SchemaRegistryClient, body: object, reason: str
) -> None:
    _answer(httpserver, 200, body)
    for _ in range(2):
        with pytest.raises(UnknownSchema, match=reason):
            client.schema_by_id(7)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_registry_in_trouble_may_be_asked_again(
    httpserver: HTTPServer, client: SchemaRegistryClient, status: int
) -> None:
    _answer(httpserver, status, {"error_code": 50001, "message": "store is down"})
    with pytest.raises(RegistryUnavailable, match=f"answered {status}: store is down"):
        client.schema_by_id(7)
    httpserver.clear()
    _answer(httpserver, 200, {"schema": SCHEMA})
    assert client.schema_by_id(7) == SCHEMA


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error_code": 40101, "message": "who are you"}),
        (403, {"error_code": 40301, "message": "not you"}),
        (404, {"error_code": 404, "message": "HTTP 404 Not Found"}),
        (404, {"error_code": 0, "message": "could not find resource"}),
        (404, "no such page"),
        (302, {}),
        (422, {"error_code": 42201, "message": "invalid"}),
    ],
)
def test_a_no_is_terminal(
    httpserver: HTTPServer, client: SchemaRegistryClient, status: int, body: object
) -> None:
    # A wrong path must not pass for an unknown id: it would turn every message into a dead letter.
    _answer(httpserver, status, body)
    with pytest.raises(RegistryRefused) as refused:
        client.schema_by_id(7)
    assert refused.value.status == status


def test_an_incompatible_schema_is_refused_with_what_the_registry_says(
    httpserver: HTTPServer, client: SchemaRegistryClient
) -> None:
    said = {"error_code": 409, "message": "Schema being registered is incompatible"}
    _answer(httpserver, 409, said, SUBJECT)
    with pytest.raises(RegistryRefused, match="is incompatible") as refused:
        client.register("coalmine.scores-value", SCHEMA)
    assert (refused.value.status, refused.value.error_code) == (409, 409)


@pytest.mark.parametrize("text", ["<html>Sign in</html>", "", "[]", "{}", '{"schema": 3}', "\xff"])
def test_an_answer_that_makes_no_sense_may_be_a_proxys_and_is_tried_again(
    httpserver: HTTPServer, client: SchemaRegistryClient, text: str
) -> None:
    httpserver.expect_request(BY_ID).respond_with_data(text.encode("latin-1"))
    httpserver.expect_request(SUBJECT).respond_with_data(text.encode("latin-1"))
    with pytest.raises(RegistryUnavailable):
        client.schema_by_id(7)
    with pytest.raises(RegistryUnavailable):
        client.register("coalmine.scores-value", SCHEMA)


def test_nobody_listening_is_transient() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = SchemaRegistryClient(f"http://127.0.0.1:{port}")
    with pytest.raises(RegistryUnavailable, match="did not answer"):
        client.schema_by_id(7)


def test_a_registry_that_hangs_is_transient_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = SchemaRegistryClient(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05)
        with pytest.raises(RegistryUnavailable, match="did not answer"):
            client.schema_by_id(7)
        client.close()


def test_a_registry_that_hangs_up_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        client = SchemaRegistryClient(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(RegistryUnavailable):
            client.schema_by_id(7)
        thread.join()
        client.close()


@pytest.mark.parametrize(
    "url", ["", "localhost:8081", "ftp://localhost", "http://", "http://[broken", "http://u:hunter2@x:port"]
)
def test_an_address_that_is_none_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidParameter, match="the schema registry's URL") as refused:
        SchemaRegistryClient(url)
    assert "hunter2" not in str(refused.value)


class _KeepAlive(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ports: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        self.ports.append(self.client_address[1])
        body = json.dumps({"schema": SCHEMA}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test counts."""


def test_a_forked_child_talks_on_its_own_connection() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _KeepAlive) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with SchemaRegistryClient(f"http://127.0.0.1:{server.server_port}") as client:
            client.schema_by_id(1)
            child = os.fork()
            if child == 0:  # pragma: no cover - runs in the child
                os._exit(0 if client.schema_by_id(2) == SCHEMA else 1)
            assert os.waitpid(child, 0)[1] == 0
            client.schema_by_id(3)
        server.shutdown()
        thread.join()
    ours, childs, ours_again = _KeepAlive.ports
    assert ours == ours_again != childs


def test_threads_share_a_client(httpserver: HTTPServer, client: SchemaRegistryClient) -> None:
    _answer(httpserver, 200, {"schema": SCHEMA})
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(client.schema_by_id(7))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SCHEMA] * 8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTP_PROXY", "gopher://127.0.0.1:9"),
        ("HTTP_PROXY", "http://me:hunter2/x@127.0.0.1:9"),
        ("SSL_CERT_FILE", "/nowhere/certificates.pem"),
    ],
)
def test_an_environment_that_stops_every_question_is_a_registry_that_is_away(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with SchemaRegistryClient("http://127.0.0.1:9") as client:
        with pytest.raises(RegistryUnavailable) as found:
            client.schema_by_id(7)
        assert "hunter2" not in str(found.value)
        with pytest.raises(RegistryUnavailable):
            client.register("s", SCHEMA)
