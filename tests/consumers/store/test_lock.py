import os
import subprocess
import sys
from pathlib import Path

import pytest

from coalmine_consumers.errors import StoreLocked
from coalmine_consumers.store import Store
from coalmine_consumers.store.lock import StoreLock

HOLD = """
import sys
from pathlib import Path
from coalmine_consumers.store import Store
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = Store.open(tmp_path)
    with pytest.raises(StoreLocked) as refused:
        Store.open(tmp_path)
    assert refused.value.pid == os.getpid()
    assert str(os.getpid()) in str(refused.value)
    first.close()
    Store.open(tmp_path).close()


def test_another_process_holds_the_store_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked) as refused:
            Store.open(tmp_path)
        assert refused.value.pid == owner.pid
        owner.kill()
        owner.wait()
        Store.open(tmp_path).close()


def test_an_owner_that_has_not_written_its_pid_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "collector.lock"
    lock = StoreLock(path)
    path.write_text("")
    with pytest.raises(StoreLocked) as refused:
        StoreLock(path)
    assert refused.value.pid is None
    lock.release()
    lock.release()
    StoreLock(path).release()


def test_a_store_that_cannot_be_opened_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / "coalmine.duckdb").write_text("this is no database")
    for _ in range(2):
        with pytest.raises(Exception, match=r"coalmine\.duckdb"):
            Store.open(tmp_path)
