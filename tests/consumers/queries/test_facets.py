from datetime import timedelta

from coalmine_consumers.queries import facets
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, feedback, request


def test_facets_are_every_value_there_is(store: Store) -> None:
    late = request(3, START + timedelta(days=1), app="search", version="1.9.0")
    rows = [
        request(1),
        request(2, environment="staging", prompt="greet", version="1.10.0"),
        late,
        request(4, version="1.10.0"),
    ]
    feed = Feed()
    store.commit(feed.batch(rows[:2]))
    store.commit(feed.batch(rows[2:], [feedback(9, late, START + timedelta(days=90))]))
    found = facets(store.reader())
    assert found.prompts == ["greet", "refund"]
    assert found.versions == {"greet": ["1.10.0"], "refund": ["1.0.0", "1.9.0", "1.10.0"]}
    assert found.environments == ["prod", "staging"]
    assert found.apps == ["search", "support"]
    assert found.models == ["gpt-4o-mini"]
    assert (found.first_event_time, found.last_event_time) == (START, START + timedelta(days=1))


def test_an_empty_store_offers_nothing(store: Store) -> None:
    found = facets(store.reader())
    assert (found.prompts, found.versions, found.environments, found.apps) == ([], {}, [], [])
    assert (found.first_event_time, found.last_event_time) == (None, None)
