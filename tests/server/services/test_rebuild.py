"""A rebuild in the server, watched: it has an end, whatever comes between."""

import errno
import os
from importlib import import_module
from pathlib import Path

import pytest

from coalmine_consumers.store import Store
from coalmine_server.services.rebuild import RebuildTask
from tests.support.eventually import eventually


def test_a_full_disk_is_the_reason_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(import_module("coalmine_consumers.maintenance.rebuild"), "rebuild", full)
    store, task = Store.open(tmp_path), RebuildTask()
    task.start(store)
    eventually(lambda: task.status.state == "failed", what="an end")
    store.close()
    assert "No space left on device" in str(task.status.reason)
    (told,) = [each for each in caplog.records if each.name == "coalmine.rebuild"]
    assert not told.exc_info
