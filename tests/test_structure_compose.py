"""`docker compose up` fits together, as far as that shows without an engine."""

import re
import subprocess
from urllib.parse import urlsplit

import pytest
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from coalmine_server.settings import SETTING_KEYS, load_settings
from tests.support.repository import compose
from tests.support.repository.shell_commands import problem_with, words_of
from tests.support.repository.tree import ROOT
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.kafka_engines import IMAGE as TESTED_KAFKA_IMAGE
from tests.support.servers.postgres import IMAGE as TESTED_POSTGRES_IMAGE
from tests.support.servers.schema_registry import IMAGE as TESTED_REGISTRY_IMAGE
from tests.support.servers.schema_registry import SchemaRegistry

_SERVICES = compose.services()
_OURS = [service for service in _SERVICES.values() if service.ours]


def test_all_parts_are_there() -> None:
    assert set(_SERVICES) == {
        "kafka",
        "schema-registry",
        "postgres",
        "server",
        "dashboards",
        "simulated-services",
    }
    assert {service.name for service in _OURS} == {"server", "dashboards", "simulated-services"}


def test_ports_are_published_on_the_loopback_address_only_and_once() -> None:
    published = [place for service in _SERVICES.values() for place in service.published.values()]
    assert {address for address, _ in published} == {"127.0.0.1"}
    assert len(published) == len(set(published))


@pytest.mark.parametrize("service", _OURS, ids=lambda service: service.name)
def test_our_services_run_commands_there_are(service: compose.Service) -> None:
    command = re.search(r"\bcoalmine .*", service.command)
    assert command is not None
    assert problem_with(words_of(command[0])) is None


@pytest.mark.parametrize("service", _OURS, ids=lambda service: service.name)
def test_our_services_are_given_settings_there_are(service: compose.Service) -> None:
    known = {key.variable for key in SETTING_KEYS}
    given = {**compose.image_environment(), **service.environment}
    ours = {name: value for name, value in given.items() if name.startswith("COALMINE_")}
    assert sorted(set(ours) - known) == []
    load_settings(environ=ours, directory=ROOT / "docs")


@pytest.mark.parametrize(
    "service",
    [service for service in _SERVICES.values() if service.published],
    ids=lambda service: service.name,
)
def test_what_is_published_is_checked_for_health_at_that_port(service: compose.Service) -> None:
    checked = {int(port) for port in re.findall(r"(?<=[:/])(\d{4,5})\b", " ".join(service.healthcheck))}
    assert checked == set(service.published)


def test_services_wait_for_the_health_of_what_they_need() -> None:
    for service in _SERVICES.values():
        for other, condition in service.depends_on.items():
            assert condition == "service_healthy"
            assert _SERVICES[other].healthcheck != []
    assert set(_SERVICES["server"].depends_on) == {"kafka", "schema-registry", "postgres"}
    assert set(_SERVICES["dashboards"].depends_on) == {"server"}
    # The server creates the topics the simulated services write to.
    assert set(_SERVICES["simulated-services"].depends_on) == {"server"}


def test_addresses_name_services_at_ports_they_listen_on() -> None:
    kafka = _SERVICES["kafka"].environment
    inside = dict(re.findall(r"([A-Z]+)://[^:,]*:(\d+)", kafka["KAFKA_LISTENERS"]))
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == "INTERNAL://kafka:19092,EXTERNAL://127.0.0.1:9092"
    assert inside["INTERNAL"] == "19092"
    listening = {
        ("kafka", int(inside["INTERNAL"])),
        ("schema-registry", 8080),
        ("postgres", 5432),  # its image's own
        ("server", int(_SERVICES["server"].environment["COALMINE_SERVER_PORT"])),
    }
    named = []
    for service in _SERVICES.values():
        for name, value in service.environment.items():
            if name.endswith("BOOTSTRAP_SERVERS"):
                named.append(tuple(value.split(":")))
            elif name.endswith("_URL"):
                named.append((urlsplit(value).hostname or "", str(urlsplit(value).port)))
    assert len(named) == 7
    assert {(host, int(port)) for host, port in named} == listening


def test_what_listens_in_a_container_can_be_reached_from_outside_it() -> None:
    assert _SERVICES["server"].environment["COALMINE_SERVER_HOST"] == "0.0.0.0"
    assert _SERVICES["dashboards"].environment["COALMINE_DASHBOARD_HOST"] == "0.0.0.0"
    ports = {int(_SERVICES["server"].environment["COALMINE_SERVER_PORT"])}
    ports.add(int(_SERVICES["dashboards"].environment["COALMINE_DASHBOARD_PORT"]))
    assert compose.exposed_ports() == ports
    assert {port for service in _OURS for port in service.published} == ports


def test_the_dashboards_find_the_token_where_the_server_keeps_it() -> None:
    server_home = compose.image_environment()["COALMINE_HOME"]
    volume = _SERVICES["server"].volumes[server_home]
    (folder,) = [path for path, name in _SERVICES["dashboards"].volumes.items() if name == volume]
    assert f"cat {folder}/credentials" in _SERVICES["dashboards"].command


def test_every_volume_is_declared_and_used() -> None:
    used = {name for service in _SERVICES.values() for name in service.volumes.values()}
    assert used == set(compose.document()["volumes"])


def test_what_must_survive_a_restart_lies_in_a_volume() -> None:
    home = compose.image_environment()["COALMINE_HOME"]
    assert home in _SERVICES["server"].volumes
    assert home in _SERVICES["simulated-services"].volumes
    assert _SERVICES["kafka"].environment["KAFKA_LOG_DIRS"] in _SERVICES["kafka"].volumes
    (kept,) = _SERVICES["postgres"].volumes
    assert _SERVICES["postgres"].environment["PGDATA"].startswith(kept)


def test_the_server_gets_longer_to_stop_than_it_takes() -> None:
    settings = load_settings(environ={}, directory=ROOT / "docs").settings
    assert _SERVICES["server"].stop_grace_period_s > settings.server.shutdown_timeout_s


def test_the_versions_are_those_the_tests_run_with() -> None:
    assert _SERVICES["kafka"].image == TESTED_KAFKA_IMAGE
    assert _SERVICES["postgres"].image == TESTED_POSTGRES_IMAGE
    assert _SERVICES["schema-registry"].image.rpartition(":")[2] == TESTED_REGISTRY_IMAGE.rpartition(":")[2]


def test_the_registry_logs_in_as_the_database_was_made() -> None:
    made = _SERVICES["postgres"].environment
    url = urlsplit(_SERVICES["server"].environment["COALMINE_REGISTRY_URL"])
    assert (url.username, url.password, url.path) == (
        made["POSTGRES_USER"],
        made["POSTGRES_PASSWORD"],
        "/" + made["POSTGRES_DB"],
    )
    assert _SERVICES["postgres"].published == {}


@pytest.mark.kafka
def test_kafka_knows_every_setting_it_is_given(kafka: KafkaBroker) -> None:
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", ".")
        for name in _SERVICES["kafka"].environment
        if name.startswith("KAFKA_")
    }
    (answer,) = kafka.admin().describe_configs([ConfigResource(ResourceType.BROKER, "1")]).values()
    assert sorted(given - set(answer.result(30))) == []


def test_the_registrys_health_check_tells_up_from_down(schema_registry: SchemaRegistry) -> None:
    port = urlsplit(schema_registry.url).port
    check = [word.replace("/8080", f"/{port}") for word in _SERVICES["schema-registry"].healthcheck]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    down = [word.replace("/8080", "/1") for word in _SERVICES["schema-registry"].healthcheck]
    assert subprocess.run(down, capture_output=True, check=False).returncode != 0


def test_the_image_copies_what_exists_and_what_dockerignore_lets_through() -> None:
    copied = [name.removeprefix("./") for name in compose.copied_from_the_repository()]
    assert [name for name in copied if not compose.exists_in_the_repository(name)] == []
    assert sorted(copied) == sorted(compose.let_through_by_dockerignore())


def test_the_image_holds_every_package_and_runs_as_nobody_special() -> None:
    text = compose.DOCKERFILE.read_text(encoding="utf-8")
    parts = set(compose.copied_from_the_repository())
    assert {
        "schemas",
        "producers",
        "consumers",
        "analytics",
        "rollouts",
        "evals",
        "alerts",
        "spark",
        "server",
        "dashboards",
    } <= parts
    last_stage = text.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE) == ["coalmine"]
    assert "--require-hashes" in text
