"""Kafka with TLS and a login, and a schema registry with both, by environment variables on both sides."""

import base64
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from coalmine import Coalmine
from coalmine_schemas.errors import InvalidParameter
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, with_constants
from tests.support.servers.certificates import Certificates, make_certificates
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.kafka_engines import Listener
from tests.support.servers.ports import free_port
from tests.support.servers.server_choice import ServerUnavailable

pytestmark = pytest.mark.kafka

PASSWORD = "correct-horse-1"
WRONG = "battery-staple-2"
JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required user_coalmine="


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(certificates: Certificates) -> Iterator[dict[str, str]]:
    """The addresses of a broker, by protocol."""
    protocols = ("SASL_PLAINTEXT", "SASL_SSL", "SSL")
    ports = {protocol: free_port() for protocol in protocols}
    listeners = [Listener(f"X{name}".replace("_", ""), port, port, name) for name, port in ports.items()]
    settings = {"sasl.enabled.mechanisms": "PLAIN"}
    for listener in listeners:
        prefix = f"listener.name.{listener.name.lower()}."
        if "SASL" in listener.protocol:
            settings[prefix + "plain.sasl.jaas.config"] = f'{JAAS}"{PASSWORD}";'
        if "SSL" in listener.protocol:
            settings[prefix + "ssl.keystore.type"] = settings[prefix + "ssl.truststore.type"] = "PEM"
            settings[prefix + "ssl.keystore.location"] = str(certificates.both)
            settings[prefix + "ssl.truststore.location"] = str(certificates.ca)
        if listener.protocol == "SSL":
            settings[prefix + "ssl.client.auth"] = "required"
    with ExitStack() as stack:
        try:
            broker = KafkaBroker(quick_start=True, listeners=listeners, settings=settings)
        except ServerUnavailable as reason:
            pytest.skip(str(reason))
        if broker.choice.kind == "container":
            pytest.skip("certificates are not in the container")
        stack.enter_context(broker)
        yield {name: f"127.0.0.1:{port}" for name, port in ports.items()}


@pytest.fixture(scope="module")
def registry(certificates: Certificates) -> Iterator[HTTPServer]:
    """A stand-in for a schema registry that speaks TLS and wants a password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    login = "Basic " + base64.b64encode(f"schemas:{PASSWORD}".encode()).decode()
    schemas: list[str] = []

    def answer(request: Request) -> Response:
        if request.headers.get("Authorization") != login:
            return Response('{"error_code": 40101, "message": "Unauthorized"}', 401)
        if request.method == "POST":
            schema = str((request.get_json() or {})["schema"])
            if schema not in schemas:
                schemas.append(schema)
            return Response(f'{{"id": {schemas.index(schema) + 1}}}')
        return Response(json.dumps({"schema": schemas[int(request.path.rpartition("/")[2]) - 1]}))

    with HTTPServer("127.0.0.1", 0, ssl_context=context) as server:
        server.expect_request(re.compile(".*")).respond_with_handler(answer)
        yield server


def _environment(
    protocol: str, secured: dict[str, str], certificates: Certificates, prefix: str, password: str = PASSWORD
) -> dict[str, str]:
    found = {
        "COALMINE_KAFKA_BOOTSTRAP_SERVERS": secured[protocol],
        "COALMINE_KAFKA_TOPIC_PREFIX": prefix,
        "COALMINE_KAFKA_SECURITY_PROTOCOL": protocol,
    }
    if "SASL" in protocol:
        found["COALMINE_KAFKA_SASL_MECHANISM"] = "PLAIN"
        found["COALMINE_KAFKA_SASL_USERNAME"] = "coalmine"
        found["COALMINE_KAFKA_SASL_PASSWORD"] = password
    if "SSL" in protocol:
        found["COALMINE_KAFKA_SSL_CA_LOCATION"] = str(certificates.ca)
    if protocol == "SSL":
        found["COALMINE_KAFKA_SSL_CERTIFICATE_LOCATION"] = str(certificates.certificate)
        found["COALMINE_KAFKA_SSL_KEY_LOCATION"] = str(certificates.key)
    return found


def _server_only(prefix: str) -> dict[str, str]:
    return {"COALMINE_KAFKA_GROUP_ID": prefix, "COALMINE_KAFKA_PARTITIONS": "1"}


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL", "SSL"])
def test_service_and_server_log_in_by_the_same_variables(
    home: Path,
    secured: dict[str, str],
    registry: HTTPServer,
    certificates: Certificates,
    topic_prefix: str,
    protocol: str,
) -> None:
    environment = {
        **_environment(protocol, secured, certificates, topic_prefix),
        "COALMINE_SCHEMA_REGISTRY_URL": registry.url_for("").rstrip("/"),
        "COALMINE_SCHEMA_REGISTRY_USERNAME": "schemas",
        "COALMINE_SCHEMA_REGISTRY_PASSWORD": PASSWORD,
        "COALMINE_SCHEMA_REGISTRY_CA_LOCATION": str(certificates.ca),
    }
    with ServerProcess(home, {**environment, **_server_only(topic_prefix)}) as server:
        server.wait_ready()
        service = {**environment, "COALMINE_APP": "bot", "COALMINE_SPOOL_DIR": str(home / "service")}
        with Coalmine.from_env(service) as cm:
            assert PASSWORD not in repr(cm.settings)
            for _ in range(20):
                with cm.call("p", version="1.0.0"):
                    pass
            assert cm.flush(60)
            eventually(lambda: cm.stats().delivered + cm.stats().drained >= 20)
        eventually(
            lambda: sum(item["requests"] for item in server.json("/v1/versions")["items"]) == 20,
            what="stored",
        )
        assert server.json("/v1/ingest")["dead_letters_open"] == 0
        assert server.stop() == 0
        assert PASSWORD not in server.log_text()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"COALMINE_KAFKA_SASL_PASSWORD": WRONG}, "uthentication"),
        ({"COALMINE_KAFKA_BOOTSTRAP_SERVERS": "nowhere.invalid:9092"}, "resolve"),
    ],
)
def test_why_the_broker_is_not_reached_is_in_readyz_and_status_and_the_log_is_quiet(
    home: Path,
    secured: dict[str, str],
    certificates: Certificates,
    topic_prefix: str,
    changed: dict[str, str],
    reason: str,
) -> None:
    environment = {
        **_environment("SASL_SSL", secured, certificates, topic_prefix),
        **_server_only(topic_prefix),
        **with_constants(coalmine_consumers__sources__kafka_topics__LIST_TIMEOUT_S=1.0),
        **changed,
    }
    with ServerProcess(home, environment) as server:

        def said() -> str | None:
            detail = str(server.web.get("/readyz").json().get("detail"))
            return detail if reason in detail else None

        eventually(said, what="the reason in readyz")
        status = server.json("/v1/ingest")
        assert status["state"] == "waiting"
        assert reason in status["reason"]
        assert server.stop() == 0
        log = server.log_text()
    assert PASSWORD not in log and WRONG not in log
    assert all(not line.startswith("%") for line in log.splitlines())
    assert log.count("librdkafka") <= 10


def test_a_ca_file_that_is_no_certificate_is_told_when_the_client_is_made(tmp_path: Path) -> None:
    for name in ("missing.pem", "empty.pem"):
        (tmp_path / "empty.pem").touch()
        with pytest.raises(InvalidParameter, match=name):
            Coalmine(
                "bot",
                home=tmp_path,
                kafka_bootstrap_servers="localhost:1",
                schema_registry_url="https://localhost:1",
                schema_registry_ca_location=tmp_path / name,
            )
