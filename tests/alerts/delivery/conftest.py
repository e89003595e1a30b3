"""A database of alerts, and servers in the place of Slack and others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_alerts.storage.open import open_database
from coalmine_registry.storage.database import Database
from tests.support.servers.receiver import Receiver, receiver
from tests.support.servers.slack import Slack, slack


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "alerts.db")
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def slack_server() -> Iterator[Slack]:
    with slack() as running:
        yield running
