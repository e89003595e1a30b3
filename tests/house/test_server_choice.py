"""Where a test's server comes from, and what happens where none can be had."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import maven_cache, server_choice
from tests.support.servers.ports import accepts_connections, free_port
from tests.support.servers.server_choice import ServerUnavailable, choose_server

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine with neither Docker nor Java nor Maven, and no server named."""
    _forget()
    for name, value in _bare_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COALMINE_TEST_KAFKA", raising=False)
    yield
    _forget()


def _bare_environment(folder: Path) -> dict[str, str]:
    return {"PATH": str(folder), "JAVA_HOME": str(folder), "DOCKER_HOST": f"unix://{folder}/docker.sock"}


def _forget() -> None:
    maven_cache.java_version.cache_clear()
    maven_cache.missing_tools.cache_clear()
    server_choice.docker_problem.cache_clear()


@pytest.mark.usefixtures("bare_machine")
def test_with_nothing_to_run_it_the_reason_names_all_three_ways() -> None:
    with pytest.raises(ServerUnavailable) as caught:
        choose_server("COALMINE_TEST_KAFKA")
    for tried in ("COALMINE_TEST_KAFKA is not set", "Docker's daemon does not answer", "no working Java"):
        assert tried in str(caught.value)


@pytest.mark.usefixtures("bare_machine")
def test_a_named_server_is_used_but_never_by_a_test_that_would_stop_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COALMINE_TEST_KAFKA", "127.0.0.1:9092")
    assert choose_server("COALMINE_TEST_KAFKA").address == "127.0.0.1:9092"
    with pytest.raises(ServerUnavailable):
        choose_server("COALMINE_TEST_KAFKA", allow_named=False)


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "failed")])
def test_without_a_broker_its_tests_skip_with_the_reason_and_on_ci_fail(
    ci: str, outcome: str, tmp_path: Path
) -> None:
    environment = {**os.environ, **_bare_environment(tmp_path), "CI": ci}
    environment.pop("COALMINE_TEST_KAFKA", None)
    test = "tests/house/test_kafka_broker.py::test_topics_are_not_created_by_merely_naming_them"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rsf", test],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = done.stdout + done.stderr
    assert f"1 {outcome}" in shown or f"1 {outcome.replace('failed', 'error')}" in shown
    assert "no Kafka broker to test against: COALMINE_TEST_KAFKA is not set" in shown
    assert (done.returncode == 0) is (outcome == "skipped")


def test_a_free_port_is_free_and_outside_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert not accepts_connections("127.0.0.1", port)
    assert 1024 < port < 49_152
