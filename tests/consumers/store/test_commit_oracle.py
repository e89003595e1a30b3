"""Whatever the batches and their order, a store holds what a slow recomputation from the events says."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coalmine_consumers.store import Store, StoreSettings
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, Row, feedback, request, score
from tests.support.oracles.rollup_oracle import Events, Frozen, expected_of
from tests.support.oracles.store_state import by_hand, freeze_windows
from tests.support.oracles.stored_answers import assert_holds

SMALL = StoreSettings(segment_min_rows=6, segment_min_day_rows=3, threads=1, memory_limit_mb=256)

FROZEN = Frozen(
    {"exp-1": timedelta(hours=1)}, {"exp-1": timedelta(hours=1)}, {("exp-1", "sentences"): (-10.0, 200.0)}
)
BOUNDS = "INSERT INTO experiment_bounds VALUES ('exp-1', 'sentences', -10.0, 200.0, 'first values', 0, now())"

MOMENTS = st.one_of(
    st.integers(0, 7_200_000).map(lambda ms: START + timedelta(milliseconds=ms)),
    st.sampled_from(
        [
            START - timedelta(days=31),
            START + timedelta(days=400),
            START.replace(hour=23, minute=59, second=59, microsecond=999_999),
            datetime.fromisoformat("1969-12-31T23:59:59.5+00:00"),
        ]
    ),
)
MAYBE_TOKENS = st.one_of(st.none(), st.integers(0, 5000), st.just(2**63 - 1))
MAYBE_MS = st.one_of(st.none(), st.just(0.0), st.floats(0.001, 1e7))
NAMES = st.sampled_from(["quality", "sentences", "errors", "é"])


@st.composite
def requests(draw: st.DrawFn) -> list[Row]:
    count = draw(st.integers(0, 25))
    rows = []
    for number in range(count):
        experiment = draw(st.sampled_from([None, "exp-1", "exp-2"]))
        values: dict[str, Any] = {
            "prompt": draw(st.sampled_from(["refund", "greet"])),
            "version": draw(st.sampled_from(["1.0.0", "1.10.0"])),
            "environment": draw(st.sampled_from(["prod", "staging"])),
            "variant": draw(st.sampled_from([None, "control", "treatment"])),
            "experiment": experiment,
            "allocation_epoch": draw(st.sampled_from([None, 1, 2])) if experiment else None,
            "response_model": draw(st.sampled_from([None, "gpt-4o-mini-2024-07-18", "gpt-4o-mini"])),
            "input_tokens": draw(MAYBE_TOKENS),
            "cached_input_tokens": draw(MAYBE_TOKENS),
            "output_tokens": draw(MAYBE_TOKENS),
            "cost_nano_usd": draw(MAYBE_TOKENS),
            "latency_ms": draw(st.floats(0, 1e7)),
            "time_to_first_token_ms": draw(MAYBE_MS),
            "finish_reason": draw(st.sampled_from([None, "stop", "content_filter", "refusal"])),
            "error_type": draw(st.sampled_from([None, None, "timeout", ""])),
            "metrics": [
                {"key": name, "value": draw(st.floats(-1e3, 1e3))}
                for name in draw(st.lists(NAMES, max_size=2, unique=True))
            ],
        }
        rows.append(request(number, event_time=draw(MOMENTS), **values))
    return rows


@st.composite
def reactions(draw: st.DrawFn, about: list[Row]) -> tuple[list[Row], list[Row]]:
    """Feedback and scores of requests that exist, and of some that never come."""
    strangers = [request(10_000 + number, START) for number in range(2)]
    target = st.sampled_from([*about, *strangers])
    given_feedback = [
        feedback(
            20_000 + number,
            draw(target),
            START,
            event_time=draw(MOMENTS),
            thumbs=draw(st.sampled_from([None, "up", "down"])),
            rating=draw(st.one_of(st.none(), st.floats(-5, 5))),
            correction=draw(st.sampled_from([None, "better", ""])),
        )
        for number in range(draw(st.integers(0, 15)))
    ]
    given_scores = [
        score(30_000 + number, draw(target), draw(st.floats(-1e3, 1e3)), draw(NAMES), START)
        for number in range(draw(st.integers(0, 15)))
    ]
    return given_feedback, given_scores


@st.composite
def courses(draw: st.DrawFn) -> list[tuple[str, Row]]:
    """Events in the order in which they are read, some of them several times."""
    rows = draw(requests())
    given_feedback, given_scores = draw(reactions(rows))
    events = [("requests", row) for row in rows]
    events += [("feedback", row) for row in given_feedback]
    events += [("scores", row) for row in given_scores]
    if events:
        events += draw(st.lists(st.sampled_from(events), max_size=10))
    return draw(st.permutations(events))


@settings(
    max_examples=size(4, 200),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(courses(), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_any_events_in_any_batches_add_up_to_the_slow_recomputation(
    course: list[tuple[str, Row]], sizes: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder), SMALL)
        freeze_windows(store, "exp-1")
        by_hand(store, BOUNDS)
        try:
            feed, rest, turn = Feed(), list(course), 0
            stored = duplicates = 0
            while rest:
                size = sizes[turn % len(sizes)]
                batch, rest, turn = rest[:size], rest[size:], turn + 1
                result = store.commit(
                    feed.batch(
                        requests=[row for event, row in batch if event == "requests"],
                        feedback=[row for event, row in batch if event == "feedback"],
                        scores=[row for event, row in batch if event == "scores"],
                    )
                )
                stored += result.stored
                duplicates += result.duplicates
            sent = Events(
                requests=[row for event, row in course if event == "requests"],
                feedback=[row for event, row in course if event == "feedback"],
                scores=[row for event, row in course if event == "scores"],
            )
            distinct = sent.distinct()
            assert stored == len(distinct.requests) + len(distinct.feedback) + len(distinct.scores)
            assert stored + duplicates == len(course)
            assert_holds(store, expected_of(sent, FROZEN))
        finally:
            store.close()
