"""How a client is told what to do, and that it says so when it cannot."""

from dataclasses import fields
from inspect import cleandoc, signature
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine.settings import ClientSettings
from coalmine_schemas.errors import InvalidParameter


def test_the_environment_names_everything_a_deployment_needs(tmp_path: Path) -> None:
    with Coalmine.from_env(
        {
            "COALMINE_APP": "support-bot",
            "COALMINE_ENVIRONMENT": "staging",
            "COALMINE_HOME": "/nowhere",
            "COALMINE_SPOOL_DIR": str(tmp_path / "elsewhere"),
            "COALMINE_KAFKA_BOOTSTRAP_SERVERS": "broker:9092",
            "COALMINE_KAFKA_TOPIC_PREFIX": "acme.",
            "COALMINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "COALMINE_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "COALMINE_KAFKA_SASL_USERNAME": "bot",
            "COALMINE_KAFKA_SASL_PASSWORD": "hunter2",
            "COALMINE_SCHEMA_REGISTRY_URL": "http://registry:8081",
            "COALMINE_SCHEMA_REGISTRY_USERNAME": "schemas",
            "COALMINE_SCHEMA_REGISTRY_PASSWORD": "hunter3",
            "COALMINE_CAPTURE_TEXT": "yes",
            "COALMINE_SERVER_URL": "http://coalmine:8321",
            "COALMINE_TOKEN": "hunter2",
            "COALMINE_FALLBACK": "/app/prompts.json",
        }
    ) as cm:
        assert cm.settings == ClientSettings(
            app="support-bot",
            environment="staging",
            spool_dir=tmp_path / "elsewhere",
            home=Path("/nowhere"),
            server_url="http://coalmine:8321",
            token="hunter2",
            fallback=Path("/app/prompts.json"),
            kafka_bootstrap_servers="broker:9092",
            kafka_config={
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "bot",
                "sasl.password": "hunter2",
            },
            topic_prefix="acme.",
            schema_registry_url="http://registry:8081",
            schema_registry_username="schemas",
            schema_registry_password="hunter3",
            capture_text=True,
        )


def test_settings_of_librdkafka_win_over_the_environment_one_by_one(tmp_path: Path) -> None:
    environ = {
        "COALMINE_APP": "a",
        "COALMINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "COALMINE_KAFKA_SASL_USERNAME": "b",
    }
    config = {"sasl.username": "c", "linger.ms": 5}
    with Coalmine.from_env(environ, home=tmp_path, kafka_config=config) as cm:
        assert cm.settings.kafka_config == {"security.protocol": "SASL_SSL", **config}


def test_the_process_environment_is_read_when_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COALMINE_APP", "from-process")
    monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
    with Coalmine.from_env() as cm:
        assert cm.settings.app == "from-process"
        assert cm.settings.spool_dir == tmp_path / "spool"


def test_arguments_win_over_the_environment(tmp_path: Path) -> None:
    environ = {"COALMINE_APP": "a", "COALMINE_HOME": "/nowhere", "COALMINE_CAPTURE_TEXT": "1"}
    with Coalmine.from_env(environ, app="b", home=tmp_path, capture_text=False) as cm:
        assert (cm.settings.app, cm.settings.capture_text) == ("b", False)
        assert cm.settings.spool_dir == tmp_path / "spool"


def test_home_is_found_in_the_environment_also_by_the_constructor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COALMINE_HOME", str(tmp_path / "home"))
    with Coalmine("a") as cm:
        assert cm.settings.spool_dir == tmp_path / "home" / "spool"
    monkeypatch.delenv("COALMINE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    with Coalmine("a") as cm:
        assert cm.settings.spool_dir == tmp_path / ".coalmine" / "spool"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "COALMINE_APP"),
        ({"COALMINE_APP": ""}, "COALMINE_APP"),
        ({"COALMINE_APP": "a", "COALMINE_CAPTURE_TEXT": "maybe"}, "COALMINE_CAPTURE_TEXT"),
    ],
)
def test_an_unusable_environment_is_an_error_that_names_the_variable(
    environ: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidParameter, match=named):
        Coalmine.from_env(environ)


@pytest.mark.parametrize(
    "arguments",
    [
        {"app": ""},
        {"app": None},
        {"environment": ""},
        {"on_full": "block"},
        {"max_queued_events": 0},
        {"max_message_bytes": -1},
        {"kafka_delivery_timeout_s": 0},
        {"server_url": "coalmine:8321"},
        {"startup_wait_s": -1},
        {"fallback": 3},
    ],
)
def test_an_unusable_argument_is_an_error_when_the_client_is_made(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    (name,) = arguments
    with pytest.raises(InvalidParameter, match=name):
        Coalmine(**{"app": "a", "home": tmp_path, **arguments})


@pytest.mark.parametrize("name", ["home", "spool_dir"])
def test_a_path_with_a_zero_byte_is_refused_when_the_client_is_made(name: str) -> None:
    path: dict[str, Any] = {name: "a\0b"}
    with pytest.raises(InvalidParameter, match="is no path"):
        Coalmine("a", **path)


def test_an_empty_directory_of_the_spool_is_not_the_working_directory(tmp_path: Path) -> None:
    with Coalmine("a", home=tmp_path, spool_dir="") as cm:
        assert cm.settings.spool_dir == tmp_path / "spool"


def test_a_mistake_in_librdkafkas_settings_is_told_at_once_and_without_secrets(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for settings in ({"sasl.pasword": "hunter2"}, {"security.protocol": "hunter2"}, {"linger.ms": "hunter2"}):
        with pytest.raises(InvalidParameter, match="kafka_config") as caught:
            Coalmine("a", home=tmp_path, kafka_bootstrap_servers="b:9092", kafka_config=settings)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    assert capfd.readouterr().err == ""


def test_settings_do_not_show_secrets(tmp_path: Path) -> None:
    settings = {"sasl.password": "hunter2"}
    with Coalmine(
        "a",
        home=tmp_path,
        kafka_bootstrap_servers="b:9092",
        kafka_config=settings,
        token="hunter2",
        schema_registry_password="hunter2",
    ) as cm:
        assert "hunter2" not in repr(cm.settings)


def test_the_constructor_takes_what_the_settings_hold() -> None:
    taken = signature(Coalmine).parameters
    held = {field.name: field.default for field in fields(ClientSettings)}
    assert set(taken) == set(held)
    same = set(held) - {"app", "home", "spool_dir", "kafka_config"}
    assert {name: taken[name].default for name in same} == {name: held[name] for name in same}


def test_every_argument_is_documented() -> None:
    documentation = cleandoc(Coalmine.__doc__ or "")
    assert [name for name in signature(Coalmine).parameters if f"\n    {name}: " not in documentation] == []
