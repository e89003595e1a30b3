"""What writers of languages without null send counts as what it says: nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_consumers.collector.empty_names import without_empty_names
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.dead_letters import DeadLetterFilter, replay_dead_letters
from coalmine_consumers.sources.memory import MemoryBroker
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.resolver import SchemaResolver
from tests.consumers.collector.test_collector_store import collecting
from tests.support.data.event_factory import EventFactory
from tests.support.data.store_feed import Feed, dead_letter, request, table
from tests.support.oracles.store_state import query

EMPTY_NAMES = ("label", "variant", "experiment", "session_id", "finish_reason", "error_type")
FACTORY, ENCODER = EventFactory(), Encoder(SingleObjectFraming())
REQUEST = ENCODER.encode("requests", FACTORY.request(1) | dict.fromkeys(EMPTY_NAMES, ""))
SCORE = ENCODER.encode("scores", FACTORY.score(1) | {"unit_id": "", "session_id": "", "prompt": ""})
CORRECTION = ENCODER.encode("feedback", FACTORY.feedback(1) | {"unit_id": "", "correction": ""})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def test_an_empty_error_is_none_and_an_empty_session_makes_no_late_outcome(store: Store) -> None:
    broker = MemoryBroker()
    for event, frame in (("requests", REQUEST), ("scores", SCORE), ("feedback", CORRECTION)):
        broker.append(event, frame)  # type: ignore[arg-type]
    with collecting(broker, store) as collector:
        assert collector.wait_until_dry(30)
    assert query(store, f"SELECT {', '.join(EMPTY_NAMES)} FROM requests") == [(None,) * len(EMPTY_NAMES)]
    counted = "SELECT sum(requests), sum(errors), sum(corrections) FROM rollups WHERE resolution = 'day'"
    # An empty correction is one whose text was not kept, as the client writes it.
    assert [int(each) for each in query(store, counted)[0]] == [1, 0, 1]
    assert query(store, "SELECT count(*) FROM late_outcomes") == [(0,)]


def test_replayed_dead_letters_are_read_alike(store: Store) -> None:
    store.commit(Feed().batch([request(2)], dead_letters=[dead_letter(REQUEST)]))
    assert replay_dead_letters(store, BatchDecoder(SchemaResolver()), Pricer(), DeadLetterFilter()).replayed
    assert query(store, "SELECT count(error_type), count(experiment) FROM requests") == [(0, 0)]


def test_rows_without_empty_names_are_not_copied() -> None:
    rows = table("requests", [request(1, error_type="timeout"), request(2)])
    assert without_empty_names("requests", rows) is rows
    assert without_empty_names("requests", rows.slice(0, 0)).num_rows == 0
