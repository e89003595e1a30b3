"""A registry and clients of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine, PollPolicy
from tests.support.doubles.deployment_server import DeploymentServer

# A wait longer than `eventually` has patience: what a test sees in time, no wait that ran out has brought.
QUICK = PollPolicy(wait_s=60.0, timeout_s=60.0, first_backoff_s=0.02, max_backoff_s=0.05, least_pause_s=0.001)
MakeClient = Callable[..., Coalmine]


@pytest.fixture
def registry() -> Iterator[DeploymentServer]:
    with DeploymentServer() as server:
        yield server


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[MakeClient]:
    with ExitStack() as clients:

        def make(registry: DeploymentServer | None = None, **arguments: Any) -> Coalmine:
            given: dict[str, Any] = {"home": tmp_path, "poll": QUICK, "startup_wait_s": 10.0}
            if registry is not None:
                given["server_url"] = registry.url
            return clients.enter_context(Coalmine("support-bot", **{**given, **arguments}))

        yield make
