"""A standby waits for the store's lock, says so, and takes over."""

import logging
import threading
from pathlib import Path

import pytest

from coalmine_consumers.collector.standby import wait_for_lock
from coalmine_consumers.store import Store


def test_it_takes_over_when_the_owner_lets_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    owner = Store.open(tmp_path)
    seen: list[int | None] = []
    waits = threading.Event()
    result: list[Store | None] = []

    def on_wait(pid: int | None) -> None:
        seen.append(pid)
        waits.set()

    def stand_by() -> None:
        stop = threading.Event()
        result.append(wait_for_lock(lambda: Store.open(tmp_path), stop, on_wait=on_wait, look_every_s=0.01))

    thread = threading.Thread(target=stand_by)
    thread.start()
    assert waits.wait(10)
    assert not result
    owner.close()
    thread.join(20)
    assert result
    assert result[0] is not None
    result[0].close()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].startswith("standby: the store is in use by process ")
    assert warnings[1].startswith("took over the store")
    # While the owner lets go, the lock can be taken and no longer name anybody.
    assert isinstance(seen[0], int)


def test_it_says_nothing_when_the_store_is_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = wait_for_lock(lambda: Store.open(tmp_path), threading.Event())
    assert store is not None
    store.close()
    assert not caplog.messages


def test_it_stops_waiting_when_told(tmp_path: Path) -> None:
    owner = Store.open(tmp_path)
    stop = threading.Event()
    stop.set()
    assert wait_for_lock(lambda: Store.open(tmp_path), stop) is None
    owner.close()


def test_other_errors_are_not_waited_for() -> None:
    def refuse() -> Store:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PermissionError):
        wait_for_lock(refuse, threading.Event())
