"""What torture producers send: a number decides everything, so that it can be checked without being kept.

Of each hundred messages about three are sent again on purpose and one is poison; the rest are requests,
feedback (some of it before its request, some about none) and scores.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from coalmine_consumers.raw import IngestedEvent
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from tests.support.data.event_factory import EventFactory, mix

Kind = Literal["good", "duplicate", "poison"]

HUGE_BYTES: Final = 5_000_000
"""Each producer sends one poisonous message of this size, halfway."""
LOOK_BACK: Final = 5_000
"""A duplicate repeats one of this many messages before it; the first so many have none."""

_ENCODER: Final = Encoder(SingleObjectFraming())


@dataclass(frozen=True, slots=True)
class Sent:
    """One message."""

    kind: Kind
    event: IngestedEvent
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of a load, by event."""

    rows: dict[IngestedEvent, list[dict[str, Any]]]
    """Distinct good records."""
    duplicates: dict[IngestedEvent, int]
    poison: dict[IngestedEvent, list[bytes]]

    def consumed(self, event: IngestedEvent) -> int:
        """Messages of an event."""
        return len(self.rows[event]) + self.duplicates[event] + len(self.poison[event])


@dataclass(frozen=True, slots=True)
class TortureLoad:
    """The messages of one producer, in the order in which it sends them."""

    seed: int
    count: int
    look_back: int = LOOK_BACK

    def messages(self) -> Iterator[Sent]:
        """All of them, poison and repetitions included."""
        for index in range(self.count):
            yield self._message(index)

    def _factory(self) -> EventFactory:
        return EventFactory(seed=self.seed)

    def _bits(self, index: int) -> int:
        return mix(mix(index) ^ (self.seed + 1))

    def _kind(self, index: int) -> Kind:
        share = self._bits(index) % 100
        if share == 0 or index == self.count // 2:
            return "poison"
        return "duplicate" if share <= 3 and index > self.look_back else "good"

    def _message(self, index: int) -> Sent:
        kind = self._kind(index)
        if kind == "poison":
            return self._poison(index)
        if kind == "duplicate":
            earlier = index - 1 - (self._bits(index) >> 8) % self.look_back
            while self._kind(earlier) != "good":
                earlier -= 1
            event, record = self.good(earlier)
        else:
            event, record = self.good(index)
        key = record["unit_id"] if event == "requests" else record["request_id"]
        return Sent(kind, event, key.encode(), _ENCODER.encode(event, record))

    def good(self, index: int) -> tuple[IngestedEvent, dict[str, Any]]:
        """The record of a good message."""
        factory, bits = self._factory(), self._bits(index) >> 20
        choice = bits % 10
        if choice > 1:
            return "requests", factory.request(index)
        # About a request of up to 50 messages before or after, which may be no request at all.
        about = max(0, index - 50 + (bits >> 8) % 100)
        if choice == 0:
            return "feedback", factory.feedback(index) | {"request_id": factory.request_id(about)}
        return "scores", factory.score(index) | {"request_id": factory.request_id(about)}

    def _poison(self, index: int) -> Sent:
        factory, bits = self._factory(), self._bits(index) >> 8
        noise = b"".join(mix(bits + number).to_bytes(8, "big") for number in range(1 + bits % 20))
        key = b"poison"
        request = _ENCODER.encode("requests", factory.request(index))
        score = _ENCODER.encode("scores", factory.score(index))
        if index == self.count // 2:
            return Sent("poison", "requests", key, (noise * (HUGE_BYTES // len(noise) + 1))[:HUGE_BYTES])
        match bits % 7:
            case 0:
                value = noise
            case 1:
                value = request[: 1 + bits % (len(request) - 1)]
            case 2:  # a schema id, without a registry that knows it
                value = b"\0" + (bits % 2**31).to_bytes(4, "big") + request[10:]
            case 3:  # a fingerprint of no published schema
                value = request[:2] + mix(bits).to_bytes(8, "little") + request[10:]
            case 4:  # the right frame with the content of another event, and the other way round
                value = request[:10] + score[10:] if bits % 2 else score
            case 5:
                value = request + noise
            case _:
                record = factory.request(index) | {"input_tokens": -1}
                value = _ENCODER.encode("requests", record)
        return Sent("poison", "requests", key, value)


def expected(loads: list[TortureLoad]) -> Expected:
    """What must come of all of them together."""
    found = Expected(
        {"requests": [], "feedback": [], "scores": []},
        {"requests": 0, "feedback": 0, "scores": 0},
        {"requests": [], "feedback": [], "scores": []},
    )
    for load in loads:
        for index in range(load.count):
            kind = load._kind(index)
            if kind == "good":
                event, record = load.good(index)
                found.rows[event].append(record)
                continue
            sent = load._message(index)
            if kind == "duplicate":
                found.duplicates[sent.event] += 1
            else:
                found.poison[sent.event].append(sent.value)
    return found
