"""Fixtures every test may use: a real Kafka broker, schema registry and PostgreSQL."""

import asyncio
import gc
import os
import signal
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.support.campaign import CAMPAIGN, SEED, size
from tests.support.files_in_memory import keep_files_in_memory
from tests.support.processes.warm_command import end_warm_command, share_warm_command
from tests.support.repository.tree import ROOT
from tests.support.servers.authorities import trust_nobody
from tests.support.servers.kafka_broker import STEADY, KafkaBroker
from tests.support.servers.kafka_broker import VARIABLE as KAFKA_VARIABLE
from tests.support.servers.kafka_proxy import KafkaProxy
from tests.support.servers.postgres import VARIABLE as POSTGRES_VARIABLE
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.schema_registry import VARIABLE as REGISTRY_VARIABLE
from tests.support.servers.schema_registry import SchemaRegistry
from tests.support.servers.server_choice import ServerUnavailable
from tests.support.servers.shared import SharedServers, name_shared_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.support.servers.registry_databases"]

# A busy machine is no failed test.
settings.register_profile(
    "coalmine",
    deadline=None,
    max_examples=size(20, 1_000),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("coalmine")

trust_nobody()

if not CAMPAIGN:  # whose files are many
    keep_files_in_memory()

# Tests start hundreds of interpreters, each of which would compile all that it imports.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# As the `coalmine` program has it: threads that wait for large matrices take the time of other tests.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A job started in the background of a script ignores Ctrl-C, and so would every process that tests start and
# then stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imports thousands of objects that stay: later collections of garbage need not look at them again.

    And there are fewer of them: as many as in the `coalmine` program.
    """
    gc.set_threshold(50_000)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


_LONG = (
    "tests/consumers/collector/test_kafka_store.py",
    "tests/consumers/maintenance/test_crash.py",
    "tests/consumers/sources/test_kafka_renewal.py",
    "tests/examples/test_celery_worker.py",
    "tests/producers/test_kafka.py",
    "tests/producers/test_kafka_outages.py",
    "tests/server/api/test_connections.py",
    "tests/server/api/test_events.py",
    "tests/server/cli/test_backup.py",
    "tests/server/cli/test_demo.py",
    "tests/server/test_replica.py",
    "tests/server/test_serve_kafka.py",
    "tests/server/test_two_servers.py",
    "tests/server/workers/test_kafka_faults.py",
    "tests/spark/",
    "tests/test_readme.py",
    "tests/torture/",
)
"""Tests that take seconds each, and wait for most of them."""
_BROWSER = ("tests/dashboards/pages/",)
"""Tests that share a browser, a dashboard and its pages, which each process would start for itself."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has long tests come first, and then those with a browser: each is the work of one process.

    They wait while others compute.
    """
    gone = [path for path in (*_LONG, *_BROWSER) if not (ROOT / path).exists()]
    assert not gone, f"not there any more: {gone}"
    items.sort(key=lambda item: [not item.nodeid.startswith(each) for each in (_LONG, _BROWSER)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Gives a file at a time to a process, long tests and those with a browser to one each."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # noqa: PLC0415

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((each[0] for each in (_LONG, _BROWSER) if file.startswith(each)), file)

    return Scheduling(config, log)


_Server = TypeVar("_Server")


def _unavailable(what: str, reason: ServerUnavailable) -> None:
    """Skip, saying why; on CI, where the server must be there, fail."""
    message = f"no {what} to test against: {reason}"
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


_shared: SharedServers | None = None
"""Of the process that distributes the tests."""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process that shares the tests where to ask for servers."""
    global _shared  # noqa: PLW0603 - one for the whole run
    _shared = _shared or SharedServers()
    node.workerinput["shared_servers"] = _shared.socket


def pytest_unconfigure() -> None:
    """End the servers that all processes shared."""
    if _shared is not None:
        _shared.close()
        end_warm_command()  # that of the servers


@pytest.fixture(scope="session")
def share_server(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a server from all that run tests, by its environment variable; with one process there is none."""
    path = getattr(request.config, "workerinput", {}).get("shared_servers")
    return lambda variable: None if path is None else name_shared_server(path, variable)


def _server(what: str, make: Callable[[], _Server]) -> _Server:
    """A server of the tests, not started yet."""
    try:
        return make()
    except ServerUnavailable as reason:
        _unavailable(what, reason)
        raise


@pytest.fixture(scope="session", autouse=True)
def warm_command_is_shared(share_server: Callable[[str], None]) -> Iterator[None]:
    """And no process of ours stays behind."""
    share_warm_command(share_server)
    yield
    end_warm_command()


@pytest.fixture(scope="session", autouse=True)
def stores_and_registries_are_copies() -> None:
    """Where there are any: tests of the other parts import none."""
    if "coalmine_consumers.store.store" in sys.modules:
        from tests.support.doubles.last_close import skip_last_checkpoints  # noqa: PLC0415
        from tests.support.doubles.migrated_store import copy_migrated_stores  # noqa: PLC0415

        copy_migrated_stores()
        skip_last_checkpoints(lambda: _test_is_over)
    if "coalmine_registry.registry" in sys.modules:
        from tests.support.doubles.migrated_databases import copy_migrated_registries  # noqa: PLC0415

        copy_migrated_registries()


@pytest.fixture(scope="session")
def kafka(share_server: Callable[[str], None]) -> Iterator[KafkaBroker]:
    """The broker all tests share. Keep your topics apart with `topic_prefix`, and never stop it."""
    share_server(KAFKA_VARIABLE)
    with _server(
        "Kafka broker", lambda: KafkaBroker(owned=False, quick_start=True, settings=STEADY)
    ) as broker:
        yield broker


@pytest.fixture
def own_kafka() -> Iterator[Callable[..., KafkaBroker]]:
    """Makes started brokers of the test's own, to stop, kill and restart; takes `KafkaBroker`'s arguments."""
    with ExitStack() as brokers:

        def make(**arguments: object) -> KafkaBroker:
            broker = _server(
                "Kafka broker",
                lambda: KafkaBroker(owned=True, quick_start=True, **arguments),  # type: ignore[arg-type]
            )
            return brokers.enter_context(broker)

        yield make


@pytest.fixture(scope="module")
def proxied_kafka(kafka: KafkaBroker) -> Iterator[tuple[KafkaBroker, KafkaProxy]]:
    """The shared broker and a proxy in front of it, for a whole file. Leave the proxy without a fault."""
    (broker,) = kafka.admin().list_topics(timeout=30).brokers.values()
    with KafkaProxy(str(broker.host), broker.port) as proxy:
        yield kafka, proxy


@pytest.fixture(scope="session")
def schema_registry(share_server: Callable[[str], None]) -> Iterator[SchemaRegistry]:
    """The schema registry all tests share; never stop it."""
    share_server(REGISTRY_VARIABLE)
    with _server("schema registry", lambda: SchemaRegistry(owned=False)) as registry:
        yield registry


@pytest.fixture(scope="session")
def postgres(share_server: Callable[[str], None]) -> Iterator[PostgresServer]:
    """The PostgreSQL all tests share. Make a database of your own with `create_database`; never stop it."""
    share_server(POSTGRES_VARIABLE)
    with _server("PostgreSQL", lambda: PostgresServer(owned=False)) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A started PostgreSQL of the test's own, to stop, kill and restart."""
    with _server("PostgreSQL", lambda: PostgresServer(owned=True)) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The browser all tests of a process share: Playwright runs once in it. Make a context of your own."""
    from tests.support.processes.browser import BrowserUnavailable, chromium  # noqa: PLC0415 - few look

    with ExitStack() as stack:
        try:
            found = stack.enter_context(chromium())
        except BrowserUnavailable as reason:
            pytest.skip(f"no browser to look with: {reason}")
        yield found


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix no other test uses, also in a broker that outlives this run; for group ids, too."""
    return f"test-{uuid.uuid4().hex[:12]}."


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Says in the results of a campaign how each was run: what was not run in full proves no promise."""
    if CAMPAIGN:
        item.user_properties += [("form", "full"), ("seed", SEED)]


_test_is_over = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """Says that what is closed from now on stays closed."""
    global _test_is_over  # noqa: PLW0603 - one test runs at a time
    _test_is_over = True
    try:
        yield
    finally:
        _test_is_over = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Hides the event loop of a browser that the process keeps for others from tests that use none.

    Playwright's synchronous API leaves its loop as the running one of the thread, where no other may run.
    """
    loop = asyncio._get_running_loop()
    if loop is None or {"browser", "page", "playwright"} & set(getattr(item, "fixturenames", ())):
        return (yield)
    asyncio._set_running_loop(None)
    try:
        return (yield)
    finally:
        asyncio._set_running_loop(loop if loop.is_running() else None)
