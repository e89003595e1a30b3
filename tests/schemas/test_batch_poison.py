"""Poison costs its own messages and nothing else: not the good ones, not the memory, not the time."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import ConfluentFraming, Encoder
from coalmine_schemas.errors import RegistryUnavailable
from coalmine_schemas.framing import confluent_header, single_object_header
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.resolver import SchemaResolver
from tests.support.campaign import size
from tests.support.data.event_factory import EventFactory
from tests.support.data.example_events import example, frame
from tests.support.data.loose_avro import varint
from tests.support.doubles.memory_registry import MemoryRegistry

HEADER = single_object_header(latest("requests"))
Poison = Callable[[random.Random, bytes], bytes | None]

POISON: dict[str, tuple[Poison, str]] = {
    "random bytes": (lambda r, _: b"\x05" + r.randbytes(300), "frame"),
    "truncated": (lambda r, good: good[: r.randrange(11, len(good))], "decode"),
    "cut inside the header": (lambda r, good: good[: r.randrange(1, 10)], "frame"),
    "unknown fingerprint": (lambda r, good: b"\xc3\x01" + r.randbytes(8) + good[10:], "frame"),
    "unknown schema id": (lambda r, good: confluent_header(r.randrange(500, 2**31)) + good[10:], "frame"),
    "impossible schema id": (lambda _, good: b"\x00\xff\xff\xff\xff" + good[10:], "frame"),
    "another magic": (lambda _, good: b"\xc5\x01" + good[2:], "frame"),
    "another event": (lambda _r, _g: frame("scores"), "decode"),
    "wrong types": (lambda r, good: good[:10] + b"\x04" + r.randbytes(200), "decode"),
    "trailing bytes": (lambda r, good: good + r.randbytes(r.randrange(1, 9)), "decode"),
    "not UTF-8": (lambda _, good: good[:15] + b"\xfe" + good[16:], "decode"),
    "not a UUID": (lambda _r, _g: frame("requests", request_id="7"), "validate"),
    "not finite": (lambda _r, _g: frame("requests", latency_ms=float("nan")), "validate"),
    "tombstone": (lambda _r, _g: None, "frame"),
    "empty": (lambda _r, _g: b"", "frame"),
    "JSON": (lambda _r, _g: b'{"request_id": "x"}', "frame"),
}


REGISTRY = MemoryRegistry()


def _good(count: int) -> list[bytes]:
    encoder, factory = Encoder(ConfluentFraming(REGISTRY)), EventFactory()
    confluent = [encoder.encode("requests", factory.request(i)) for i in range(count)]
    return [HEADER + message[5:] for message in confluent]


@pytest.mark.parametrize("bad", [[0], [7, 8, 49], [0, 1, 30]], ids=str)
@pytest.mark.parametrize("name", POISON)
def test_each_kind_of_poison_fails_alone_at_its_stage(name: str, bad: list[int]) -> None:
    make, stage = POISON[name]
    source, good = random.Random(1), _good(50)
    frames: list[bytes | None] = list(good)
    for index in bad:
        frames[index] = make(source, good[index])
    result = BatchDecoder(SchemaResolver(REGISTRY)).decode("requests", frames)
    assert [(failure.index, failure.stage) for failure in result.failures] == [(i, stage) for i in bad]
    assert result.rows.tolist() == [i for i in range(50) if i not in bad]
    ids = [EventFactory().request_id(i) for i in result.rows.tolist()]
    assert result.table.column("request_id").to_pylist() == ids


def test_one_percent_of_all_kinds_in_a_large_batch_of_both_framings() -> None:
    source, messages = random.Random(2), size(2_500, 20_000)
    encoder, factory = Encoder(ConfluentFraming(REGISTRY)), EventFactory()
    good = [encoder.encode("requests", factory.request(i)) for i in range(messages)]
    good = [message if i % 2 else HEADER + message[5:] for i, message in enumerate(good)]
    frames: list[bytes | None] = list(good)
    expected = {}
    for index in sorted(source.sample(range(messages), messages // 100)):
        make, expected[index] = source.choice(list(POISON.values()))
        single_object = HEADER + good[index][5:] if index % 2 else good[index]
        frames[index] = make(source, single_object)
    result = BatchDecoder(SchemaResolver(REGISTRY)).decode("requests", frames)
    assert {failure.index: failure.stage for failure in result.failures} == expected
    assert all(failure.reason for failure in result.failures)
    kept = [i for i in range(messages) if i not in expected]
    assert result.rows.tolist() == kept
    assert result.table.column("request_id").to_pylist() == [factory.request_id(i) for i in kept]


def test_a_batch_of_nothing_but_poison_is_all_failures() -> None:
    source, good = random.Random(3), _good(1)[0]
    frames = [make(source, good) for make, _ in POISON.values() for _ in range(3)]
    result = BatchDecoder(SchemaResolver(REGISTRY)).decode("requests", frames)
    assert result.table.num_rows == 0
    assert [failure.index for failure in result.failures] == list(range(len(frames)))
    assert set(Counter(failure.stage for failure in result.failures)) == {"frame", "decode", "validate"}


def test_an_unreachable_registry_decides_about_nothing_and_the_batch_can_be_tried_again() -> None:
    registry = MemoryRegistry()
    confluent = Encoder(ConfluentFraming(registry)).encode("scores", example("scores"))
    frames = [frame("scores"), confluent, b"rubbish"]
    decoder = BatchDecoder(SchemaResolver(registry))
    registry.reachable = False
    for _ in range(2):
        with pytest.raises(RegistryUnavailable):
            decoder.decode("scores", frames)
    registry.reachable = True
    result = decoder.decode("scores", frames)
    assert (result.rows.tolist(), [failure.index for failure in result.failures]) == ([0, 1], [2])


def test_an_unreachable_registry_does_not_matter_where_nobody_needs_it() -> None:
    registry = MemoryRegistry()
    registry.reachable = False
    frames = [frame("scores"), b"\x00\x00", b"\x00\xff\xff", None]
    result = BatchDecoder(SchemaResolver(registry)).decode("scores", frames)
    assert (result.rows.tolist(), len(result.failures)) == ([0], 3)


def test_without_a_registry_confluent_frames_are_failures_that_say_so() -> None:
    result = BatchDecoder(SchemaResolver()).decode("scores", [confluent_header(3) + b"x", frame("scores")])
    assert [failure.reason for failure in result.failures] == [
        "no schema registry is configured to look up id 3"
    ]


def test_the_registry_is_asked_once_per_id_and_batch() -> None:
    registry = MemoryRegistry()
    confluent = Encoder(ConfluentFraming(registry)).encode("scores", example("scores"))
    decoder = BatchDecoder(SchemaResolver(registry))
    decoder.decode("scores", [confluent] * 50 + [confluent_header(77) + b"x"] * 50)
    assert sorted(registry.asked) == [1, 77]
    decoder.decode("scores", [confluent] * 50)
    assert sorted(registry.asked) == [1, 77]


JUNK: dict[str, bytes] = {
    "5 MB of random bytes": HEADER + random.Random(4).randbytes(5_000_000),
    "5 MB of zeros": HEADER + bytes(5_000_000),
    "5 MB of largest counts": HEADER + b"\xff" * 5_000_000,
    "a text of 4 EB": HEADER + varint(2**62) + b"abc",
    "5 MB behind a good event": frame("requests") + bytes(5_000_000),
    "a map of 2**62 items": frame("requests", metrics={"a": 1.0}).replace(
        b"\x02\x02a", varint(2**62) + b"\x02a"
    ),
    "a map of -2**63 items": frame("requests", metrics={"a": 1.0}).replace(
        b"\x02\x02a", varint(-(2**63)) + b"\x02\x02a"
    ),
    "5 MB without a frame": b"\x05" + bytes(5_000_000),
}


@pytest.mark.parametrize("name", JUNK)
def test_huge_junk_is_one_failure_among_good_messages(name: str) -> None:
    good = _good(20)
    result = BatchDecoder(SchemaResolver()).decode("requests", [*good, JUNK[name], *good])
    assert [failure.index for failure in result.failures] == [20]
    assert len(result.failures[0].reason) < 600
    assert result.table.num_rows == 40


def test_a_text_of_5_mb_is_an_event_like_any_other() -> None:
    big = frame("requests", input_text="x" * 5_000_000, request_id=uuid7())
    result = BatchDecoder(SchemaResolver()).decode("requests", [frame("requests"), big, b"rubbish"])
    assert [len(text or "") for text in result.table.column("input_text").to_pylist()] == [0, 5_000_000]


def test_a_million_keys_in_one_map_are_read_in_bounded_time_and_memory() -> None:
    message = frame("feedback", metadata={f"{i}": "" for i in range(size(100_000, 300_000))})
    result = BatchDecoder(SchemaResolver()).decode("feedback", [message, None, message + b"x"])
    assert [failure.stage for failure in result.failures] == ["validate", "frame", "decode"]


MEMORY_SCRIPT = """
import resource
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from tests.schemas.test_batch_poison import JUNK

decoder = BatchDecoder(SchemaResolver())
junk = list(JUNK.values())
decoder.decode("requests", [b"x"])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(3):
    decoder.decode("requests", junk)
    for message in junk:
        decoder.decode("requests", [message])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_junk_takes_memory_in_proportion_to_its_bytes() -> None:
    found = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT], capture_output=True, text=True, check=True, timeout=300
    )
    grown_kb = int(found.stdout)
    size_kb = sum(map(len, JUNK.values())) // 1024
    assert grown_kb < 8 * size_kb
