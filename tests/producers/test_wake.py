"""Streams are left unread, and collected whenever Python likes: that may stop neither requests nor client."""

import json
import subprocess
import sys
from pathlib import Path

from coalmine import Coalmine
from tests.support.eventually import eventually
from tests.support.oracles.produced import spooled

_COLLECTED_ANYWHERE = """
import gc, json, sys, threading, time
from coalmine import Coalmine

def stream(cm):
    with cm.call("p", version="1"):
        yield

class Cycle:
    pass

def collect(frame, event, _):
    place = frame.f_code, frame.f_lasti, event
    if place not in places and begun and not is_over.is_set():
        places.add(place)
        cycle = Cycle()
        cycle.itself, cycle.stream = cycle, begun.pop()
        del cycle
        gc.collect()

cm = Coalmine("bot", home=sys.argv[1])
is_over, places, begun = threading.Event(), set(), [stream(cm) for _ in range(4000)]
for each in begun:
    next(each)
del each
gc.freeze()
gc.disable()
threading.setprofile(collect)
sys.setprofile(collect)
for _ in range(5):
    with cm.call("p", version="1"):
        pass
    time.sleep(0.3)
sys.setprofile(None)
is_over.set()
# The client's thread may be about to collect one more, which comes before the second.
flushed = cm.flush(60) and cm.flush(60)
stats = cm.stats()
print(json.dumps([flushed, 4000 - len(begun) + 5, stats.produced, stats.spooled]))
begun.clear()
"""


def test_a_stream_may_be_collected_in_the_midst_of_whatever_the_client_does(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _COLLECTED_ANYWHERE, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    flushed, made, produced, written = json.loads(run.stdout)
    assert flushed
    assert made > 500
    assert produced == written == made


def test_a_call_that_was_dropped_is_there_for_readers_soon(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        with cm.call("p", version="1"):
            pass
        eventually(lambda: spooled(tmp_path) and cm._pipeline._is_asleep)
        cm.call("p", version="1").__enter__().abandon()
        eventually(lambda: len(spooled(tmp_path)) == 2)
