"""Without a server a command reads what was sealed when it began, however busy services are."""

from pathlib import Path
from typing import Any

import pytest

from coalmine_consumers.store import CommitResult, Store
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.spool_blocks import SpoolRecord
from coalmine_schemas.spool_format import SpoolWriter, list_sealed
from coalmine_server.services.catch_up import catch_up
from coalmine_server.settings import load_settings
from tests.support.data.event_factory import EventFactory

FRAMES = [Encoder(SingleObjectFraming()).encode("requests", EventFactory().request(n)) for n in range(40)]


def seal(spool: Path, number: int) -> None:
    """One more file of a service."""
    writer = SpoolWriter(spool)
    writer.write([SpoolRecord("requests", None, FRAMES[number], 0)])
    writer.close()


def test_files_sealed_meanwhile_are_for_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(environ={"COALMINE_HOME": str(tmp_path)}).settings
    sealed = 0

    def busy(count: int) -> None:
        nonlocal sealed
        for _ in range(count):
            assert sealed < len(FRAMES), "it goes on for as long as services produce"
            seal(settings.spool_dir, sealed)
            sealed += 1

    commit = Store.commit

    def commit_while_services_produce(store: Store, *arguments: Any) -> CommitResult:
        busy(2)
        return commit(store, *arguments)

    busy(3)
    store = Store.open(settings.store_dir)
    monkeypatch.setattr(Store, "commit", commit_while_services_produce)
    catch_up(store, settings)
    assert store.reader().rows("SELECT count(*) AS stored FROM requests") == [{"stored": 3}]
    assert len(list_sealed(settings.spool_dir)) == sealed - 3
    monkeypatch.undo()
    catch_up(store, settings)
    assert store.reader().rows("SELECT count(*) AS stored FROM requests") == [{"stored": sealed}]
    store.close()
