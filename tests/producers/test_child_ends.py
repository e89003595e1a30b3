"""Children that end by `os._exit`: closed where their framework tells, with an explicit call elsewhere."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_schemas.spool_format import list_open, recover
from coalmine_schemas.topics import topic_name
from tests.support.oracles.produced import ids, in_kafka, spooled
from tests.support.servers.kafka_broker import KafkaBroker

_SET_UP = """
import os, sys, types
from coalmine import Coalmine
home, servers, prefix = sys.argv[1:]
cm = Coalmine("bot", home=home, kafka_bootstrap_servers=servers or None, topic_prefix=prefix)

def work():
    with cm.call("p", version="1") as call:
        pass
    os.write(1, f"{kind} {call.request_id}\\n".encode())  # at once: lines of several children must not mingle

def forked(child):
    process = os.fork()
    if process == 0:
        try:
            child()
        finally:
            os._exit(0)
    os.waitpid(process, 0)
"""

# As Celery's pool: a signal of the framework's is sent in the child, then it ends.
_CELERY = """
class Signal:
    def __init__(self):
        self.receivers = []
    def connect(self, receiver, weak=True):
        self.receivers.append(receiver)
    def send(self, sender, **named):
        for receiver in self.receivers:
            receiver(signal=self, sender=sender, **named)

signals = sys.modules["celery.signals"] = types.ModuleType("celery.signals")
signals.worker_process_shutdown = Signal()

def child():
    for _ in range(tasks):
        work()
    signals.worker_process_shutdown.send(sender="host", pid=os.getpid(), exitcode=0)

for tasks in (1, 5):
    forked(child)
"""

# As an RQ worker, which tells nobody, with the documented line.
_FLUSHED = """
def child():
    work()
    cm.flush(5)

for _ in range(2):
    forked(child)
"""

_MULTIPROCESSING = """
import multiprocessing
context = multiprocessing.get_context("fork")
process = context.Process(target=work)
process.start()
process.join()
with context.Pool(2, maxtasksperchild=1) as pool:
    pool.starmap(work, [()] * 3)
    pool.close()
    pool.join()
"""

CHILDREN = {"multiprocessing": (_MULTIPROCESSING, 4), "flushed": (_FLUSHED, 2), "celery": (_CELERY, 6)}
"""What one process after the other does, and how many calls that makes. Celery is known from its turn on."""


@pytest.fixture
def servers(request: pytest.FixtureRequest, topic_prefix: str) -> Iterator[str]:
    """A broker, or none: the spool."""
    if request.param == "spool":
        yield ""
        return
    broker: KafkaBroker = request.getfixturevalue("kafka")
    broker.create_topics(*(topic_name(event, topic_prefix) for event in ("requests", "feedback", "scores")))
    yield broker.bootstrap_servers


@pytest.mark.parametrize("servers", ["spool", pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
def test_what_a_child_made_is_safe_at_its_end(servers: str, topic_prefix: str, tmp_path: Path) -> None:
    code = _SET_UP + "".join(f"\nkind = {kind!r}\n{code}" for kind, (code, _) in CHILDREN.items())
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), servers, topic_prefix],
        check=True,
        capture_output=True,
        text=True,
        timeout=180,
    )
    made = {request_id: kind for kind, request_id in map(str.split, done.stdout.splitlines())}
    assert Counter(made.values()) == {kind: count for kind, (_, count) in CHILDREN.items()}
    recover(tmp_path / "spool")
    assert list_open(tmp_path / "spool") == []
    found = ids(spooled(tmp_path))
    if servers:
        found += ids(in_kafka(servers, topic_prefix))
    assert {made.get(each) for each in made.keys() ^ found.keys()} == set()


def test_a_child_ends_in_time_though_nobody_takes_its_events(tmp_path: Path) -> None:
    # It waits for the broker until it must end.
    code = (
        "kind = ''\n"
        + _SET_UP.replace("home=home", "home=home, exit_timeout_s=1.0")
        + _CELERY.replace("in (1, 5)", "in (5,)")
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "127.0.0.1:9", "coalmine."],
        check=True,
        capture_output=True,
        text=True,
        timeout=180,
    )
    recover(tmp_path / "spool")
    assert set(ids(spooled(tmp_path))) == set(done.stdout.split())
