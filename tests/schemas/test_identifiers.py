"""Identifiers are UUIDv7s in the order they were made, in threads and after forks too."""

import hashlib
import os
import sys
import threading
import time
import uuid
from types import FrameType
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas import identifiers
from coalmine_schemas.identifiers import derived_uuid7, unit_group, uuid7

if TYPE_CHECKING:
    from _typeshed import TraceFunction


def test_an_identifier_is_a_uuid_of_version_7_in_canonical_text() -> None:
    for _ in range(1000):
        text = uuid7()
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122


def test_identifiers_increase_strictly() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_an_identifier_carries_the_time_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made_ms = uuid.UUID(uuid7()).int >> 80
    assert before <= made_ms <= time.time_ns() // 1_000_000


def test_identifiers_order_by_time_over_milliseconds() -> None:
    now = iter(range(1_700_000_000_000_000_000, 1_700_000_001_000_000_000, 1_000_000))
    generator = identifiers._Generator(lambda: next(now))
    made = [generator.next() for _ in range(500)]
    assert made == sorted(made)
    assert [value >> 80 for value in made] == list(range(1_700_000_000_000, 1_700_000_000_500))


def test_a_clock_that_steps_back_does_not_disturb_the_order() -> None:
    times = iter([2_000_000_000_000, 1_000_000_000, 1_500_000_000_000, 2_000_000_000_000, 2_000_001_000_000])
    generator = identifiers._Generator(lambda: next(times))
    made = [generator.next() for _ in range(5)]
    assert made == sorted(set(made))
    assert [value >> 80 for value in made] == [2_000_000, 2_000_000, 2_000_000, 2_000_000, 2_000_001]


def test_a_counter_that_runs_over_goes_on_in_the_next_millisecond() -> None:
    generator = identifiers._Generator(lambda: 5_000_000)
    first = generator.next()
    generator._counter = (1 << 42) - 1
    second = generator.next()
    assert (first >> 80, second >> 80) == (5, 6)
    assert second > first


def test_threads_share_one_increasing_sequence() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(uuid7() for _ in range(5000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(part == sorted(part) for part in made)
    assert len(set().union(*made)) == 20_000


def test_one_may_be_made_in_the_midst_of_another() -> None:
    """As by the handler of a signal, which Python runs between any two steps of the main thread."""
    generator, made = identifiers._Generator(), []

    def interrupt(frame: FrameType, event: str, _: object) -> "TraceFunction":
        frame.f_trace_opcodes = True
        if event == "opcode":
            made.append(generator.next())
        return interrupt

    def make() -> None:
        sys._getframe().f_trace_opcodes = True  # Python 3.12 traces steps only if a frame asks for it before
        sys.settrace(interrupt)
        made.extend([generator.next() for _ in range(500)])
        sys.settrace(None)

    making = threading.Thread(target=make, daemon=True)
    making.start()
    making.join(60)
    assert not making.is_alive()
    assert len(made) > 10_000
    assert len(set(made)) == len(made)
    assert {uuid.UUID(int=each).version for each in made} == {7}


def test_a_forked_child_makes_other_identifiers_even_if_a_thread_held_the_lock() -> None:
    uuid7()
    read, write = os.pipe()
    with identifiers._generator._lock:  # as if another thread were making one right now
        child = os.fork()
        if child == 0:  # pragma: no cover - runs in the child
            os.write(write, "\n".join(uuid7() for _ in range(50)).encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        theirs = set(pipe.read().split())
    assert os.waitpid(child, 0)[1] == 0
    ours = {uuid7() for _ in range(50)}
    assert len(theirs) == 50
    assert not theirs & ours
    assert not {text[-8:] for text in theirs} & {text[-8:] for text in ours}, "the random tail was shared"


@given(st.text(st.characters(codec="utf-8")))
def test_a_unit_group_is_the_first_byte_of_sha256(unit_id: str) -> None:
    assert unit_group(unit_id) == hashlib.sha256(unit_id.encode()).digest()[0]
    assert 0 <= unit_group(unit_id) <= 255


def test_unit_groups_stay_what_they_were() -> None:
    assert [unit_group(text) for text in ("user-4711", "user-12", "günther", "")] == [133, 210, 234, 227]


def test_a_derived_identifier_is_a_uuid7_of_its_time_and_the_same_for_the_same_parts() -> None:
    made = derived_uuid7(1_700_000_000_123, "trace", "span")
    assert made == derived_uuid7(1_700_000_000_123, "trace", "span")
    parsed = uuid.UUID(made)
    assert (parsed.version, parsed.variant, parsed.int >> 80) == (7, uuid.RFC_4122, 1_700_000_000_123)
    others = {
        derived_uuid7(1_700_000_000_124, "trace", "span"),
        derived_uuid7(1_700_000_000_123, "trace", "spam"),
        derived_uuid7(1_700_000_000_123, "traces", "pan"),
    }
    assert len({made, *others}) == 4
