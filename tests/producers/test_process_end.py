"""However a process ends or forks: nothing twice, and nothing lost that could be kept."""

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coalmine import Coalmine
from coalmine_schemas.spool_format import list_open, list_sealed, recover
from tests.support.campaign import size
from tests.support.eventually import eventually
from tests.support.oracles.produced import ids, requests_of, spooled


def _call(cm: Coalmine, unit_id: str = "u") -> str:
    with cm.call("p", version="1", unit_id=unit_id) as call:
        pass
    return call.request_id


def _run(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(home)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def _in_child(work: Callable[[], None]) -> int:
    """Forks, runs `work` in the child as a whole program would, and returns the child's exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "raise RuntimeError('the service failed')"])
def test_a_process_that_ends_writes_what_it_made(tmp_path: Path, end: str) -> None:
    code = """
import sys
from coalmine import Coalmine
cm = Coalmine("bot", home=sys.argv[1])
for _ in range(100):
    with cm.call("p", version="1") as call:
        pass
    print(call.request_id)
"""
    done = _run(code + end, tmp_path)
    assert ids(spooled(tmp_path)) == dict.fromkeys(done.stdout.split(), 1)
    assert len(done.stdout.split()) == 100
    assert list_open(tmp_path / "spool") == []


def test_a_process_ends_in_time_although_its_hook_never_returns(tmp_path: Path) -> None:
    code = """
import sys, time
from coalmine import Coalmine
cm = Coalmine("bot", home=sys.argv[1], redact=lambda text, field: time.sleep(3600), exit_timeout_s=0.5)
cm.feedback("0199aaaa-0000-7000-8000-000000000000", comment="x")
print("made")
"""
    done = _run(code, tmp_path)  # has a timeout of its own
    assert (done.returncode, done.stdout) == (0, "made\n")


_KILLED = """
import sys
from coalmine import Coalmine
cm = Coalmine("bot", home=sys.argv[1])
while True:
    for _ in range(50):
        with cm.call("p", version="1") as call:
            pass
        print(call.request_id)
    cm.flush(30) if sys.argv[2] == "flush" else None
    print("flushed", flush=True)
"""


@pytest.mark.parametrize("mode", ["flush", "run"])
def test_a_killed_process_leaves_sealed_files_whole_and_its_open_one_to_recovery(
    tmp_path: Path, mode: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path), mode], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        told: list[str] = []
        for line in process.stdout:
            told.append(line.strip())
            if told.count("flushed") == 30 and (mode == "flush" or list_sealed(tmp_path / "spool")):
                break
            if mode == "run" and told.count("flushed") > 30 and list_sealed(tmp_path / "spool"):
                break
        process.send_signal(signal.SIGKILL)
        told += [line.strip() for line in process.stdout]
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    recover(tmp_path / "spool")
    assert list_open(tmp_path / "spool") == []
    found = ids(spooled(tmp_path))
    assert set(found.values()) == {1}
    if mode == "flush":
        last = max(index for index, line in enumerate(told) if line == "flushed")
        safe = {line for line in told[:last] if line != "flushed"}
        assert safe <= set(found)
    else:
        # In order and without holes, up to where the process was killed.
        made = [line for line in told if line != "flushed"]
        written = [one.id for one in spooled(tmp_path)]
        shorter = min(len(made), len(written))
        assert written[:shorter] == made[:shorter]


def test_parent_and_child_each_send_their_own_events_once(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        before = [_call(cm, "before") for _ in range(500)]

        def child() -> None:
            assert cm.stats().produced == 0
            for _ in range(20):
                _call(cm, "child")
            assert cm.flush(30)
            assert cm.stats().spooled == 20
            assert cm.close(30)

        assert _in_child(child) == 0
        after = [_call(cm, "after") for _ in range(20)]
        assert cm.close(30)
    found = requests_of(spooled(tmp_path))
    assert ids(spooled(tmp_path)).total() == len(set(ids(spooled(tmp_path)))) == 540
    assert {r["request_id"] for r in found if r["unit_id"] != "child"} == {*before, *after}
    assert len([record for record in found if record["unit_id"] == "child"]) == 20


FORKS = size(8, 20)


def test_forks_while_threads_are_busy_lose_and_double_nothing(tmp_path: Path) -> None:
    made: list[list[str]] = [[], []]
    with Coalmine("bot", home=tmp_path, max_queued_events=100_000) as cm:
        stop = threading.Event()

        def work(own: list[str]) -> None:
            while not stop.is_set():
                own.append(_call(cm, "parent"))
                time.sleep(0.0005)

        threads = [threading.Thread(target=work, args=(own,)) for own in made]
        for thread in threads:
            thread.start()

        def child() -> None:
            _call(cm, "child")
            assert cm.close(30)

        try:
            codes = [_in_child(child) for _ in range(FORKS)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert codes == [0] * FORKS
        assert cm.flush(60)
        assert cm.stats().dropped == {}
    found = ids(spooled(tmp_path))
    assert set(found.values()) == {1}
    children = [record for record in requests_of(spooled(tmp_path)) if record["unit_id"] == "child"]
    assert len(children) == FORKS
    assert len(found) == FORKS + sum(map(len, made))


def test_a_child_forked_inside_a_call_leaves_its_event_to_the_parent(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm, cm.call("p", version="1") as call:
        child = os.fork()
        if child == 0:
            call.__exit__(None, None, None)
            os._exit(0 if cm.close(30) and cm.stats().produced == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [one.id for one in spooled(tmp_path)] == [call.request_id]


def test_a_child_of_a_child_sends_its_own(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        _call(cm, "parent")

        def grandchild() -> None:
            _call(cm, "grandchild")
            assert cm.close(30)

        def child() -> None:
            _call(cm, "child")
            assert _in_child(grandchild) == 0
            assert cm.close(30)

        assert _in_child(child) == 0
    units = sorted(record["unit_id"] for record in requests_of(spooled(tmp_path)))
    assert units == ["child", "grandchild", "parent"]


def test_a_dead_parents_file_is_recovered_while_its_child_lives(tmp_path: Path) -> None:
    code = """
import os, sys, time
from coalmine import Coalmine
cm = Coalmine("bot", home=sys.argv[1])
with cm.call("p", version="1") as call:
    pass
directory = sys.argv[1] + "/spool"
while not os.path.isdir(directory) or not os.listdir(directory):
    time.sleep(0.005)
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(60)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    parent = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(parent, stdout=subprocess.PIPE, check=False, text=True, timeout=60)
    child = int(done.stdout)
    try:
        recover(tmp_path / "spool")
        assert list_open(tmp_path / "spool") == []
        assert len(spooled(tmp_path)) <= 1
    finally:
        os.kill(child, signal.SIGKILL)


def _work_in_process(cm: Coalmine, count: int) -> None:
    for _ in range(count):
        _call(cm, "worker")


def test_children_of_multiprocessing_write_what_they_made_at_their_end(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        _call(cm, "parent")
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=_work_in_process, args=(cm, 10)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(requests_of(spooled(tmp_path))) == 31


def test_a_client_nobody_holds_still_sends_and_ends_its_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    cm = Coalmine("bot", home=tmp_path)
    request_id = _call(cm)
    del cm
    gc.collect()
    eventually(lambda: threading.active_count() == before)
    assert [one.id for one in spooled(tmp_path)] == [request_id]


def test_nothing_heavy_and_no_thread_comes_with_the_import(tmp_path: Path) -> None:
    code = """
import json, sys, threading
import coalmine
heavy = {"duckdb", "polars", "pyarrow", "numpy", "scipy", "statsmodels", "streamlit", "fastapi", "openai"}
print(json.dumps([threading.active_count(), sorted(heavy & set(sys.modules))]))
"""
    done = _run(code, tmp_path)
    assert json.loads(done.stdout) == [1, []]
    assert done.stderr == ""
