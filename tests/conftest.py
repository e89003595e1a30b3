"""Fixtures every test may use: a real Kafka broker, schema registry and PostgreSQL."""

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.support.processes.warm_command import end_warm_command
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.schema_registry import SchemaRegistry
from tests.support.servers.server_choice import ServerUnavailable

# A busy machine is no failed test.
settings.register_profile("coalmine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("coalmine")

# A job started in the background of a script ignores Ctrl-C, and so would every process that tests start and
# then stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


_Server = TypeVar("_Server")


def _unavailable(what: str, reason: ServerUnavailable) -> None:
    """Skip, saying why; on CI, where the server must be there, fail."""
    message = f"no {what} to test against: {reason}"
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def _server(what: str, make: Callable[[], _Server]) -> _Server:
    """A server of the tests, not started yet."""
    try:
        return make()
    except ServerUnavailable as reason:
        _unavailable(what, reason)
        raise


@pytest.fixture(scope="session", autouse=True)
def warm_command_ends() -> Iterator[None]:
    """No process of ours stays behind."""
    yield
    end_warm_command()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """The broker all tests share. Keep your topics apart with `topic_prefix`, and never stop it."""
    with _server("Kafka broker", lambda: KafkaBroker(owned=False)) as broker:
        yield broker


@pytest.fixture
def own_kafka() -> Iterator[Callable[..., KafkaBroker]]:
    """Makes started brokers of the test's own, to stop, kill and restart; takes `KafkaBroker`'s arguments."""
    with ExitStack() as brokers:

        def make(**arguments: object) -> KafkaBroker:
            broker = _server(
                "Kafka broker",
                lambda: KafkaBroker(owned=True, **arguments),  # type: ignore[arg-type]
            )
            return brokers.enter_context(broker)

        yield make


@pytest.fixture(scope="session")
def schema_registry() -> Iterator[SchemaRegistry]:
    """The schema registry all tests share; never stop it."""
    with _server("schema registry", lambda: SchemaRegistry(owned=False)) as registry:
        yield registry


@pytest.fixture
def own_schema_registry() -> Iterator[Callable[[], SchemaRegistry]]:
    """Makes started registries of the test's own, to stop and restart."""
    with ExitStack() as registries:

        def make() -> SchemaRegistry:
            return registries.enter_context(_server("schema registry", lambda: SchemaRegistry(owned=True)))

        yield make


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL all tests share. Make a database of your own with `create_database`; never stop it."""
    with _server("PostgreSQL", lambda: PostgresServer(owned=False)) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A started PostgreSQL of the test's own, to stop, kill and restart."""
    with _server("PostgreSQL", lambda: PostgresServer(owned=True)) as server:
        yield server


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix no other test uses, also in a broker that outlives this run; for group ids, too."""
    return f"test-{uuid.uuid4().hex[:12]}."
