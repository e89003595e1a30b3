"""Simulator and replay drive the real client: what is in spool or Kafka is all that was played."""

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine import Coalmine
from coalmine_simulator import (
    Playback,
    ReplayOptions,
    Simulation,
    check_trace,
    replay_trace,
    run,
    sample_trace,
    scenario,
    truth_of,
)
from tests.support.oracles.produced import in_kafka, requests_of, spooled
from tests.support.servers.kafka_broker import KafkaBroker

WHOLE = Path(__file__).parents[4] / "shared" / "data" / "azure_llm_trace_conv.csv"


def test_a_replayed_sample_is_in_the_spool_token_for_token(tmp_path: Path) -> None:
    client = Coalmine("replay", home=tmp_path, on_full="wait")
    with sample_trace() as path:
        summary = replay_trace(path, client)
        trace = check_trace(path)
    client.close()
    events = requests_of(spooled(tmp_path))
    assert summary.flushed
    assert len(events) == summary.rows == 500
    assert sum(event["input_tokens"] for event in events) == 467_684
    assert sum(event["output_tokens"] for event in events) == 132_536
    times = [event["event_time"] for event in events]
    assert (min(times), max(times)) == (trace.first_event_time, trace.last_event_time)
    assert {event["cost_nano_usd"] for event in events} == {None}


@pytest.mark.skipif(not WHOLE.exists(), reason="the whole trace is not beside the project")
def test_a_small_queue_at_full_speed_loses_no_row_of_the_whole_trace(tmp_path: Path) -> None:
    client = Coalmine("replay", home=tmp_path, on_full="wait", max_queued_events=100)
    summary = replay_trace(WHOLE, client)
    client.close()
    events = requests_of(spooled(tmp_path))
    assert summary.stats.dropped == {}
    assert len({event["request_id"] for event in events}) == summary.rows == 19_366
    assert sum(event["input_tokens"] for event in events) == summary.input_tokens == 22_361_870
    assert sum(event["output_tokens"] for event in events) == summary.output_tokens == 4_088_665


@pytest.mark.kafka
def test_a_replayed_sample_is_in_kafka_token_for_token(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
) -> None:
    kafka.create_topics(f"{topic_prefix}requests")
    client = Coalmine(
        "replay",
        home=tmp_path,
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        topic_prefix=topic_prefix,
        on_full="wait",
    )
    with sample_trace() as path:
        summary = replay_trace(path, client)
    client.close()
    events = requests_of(in_kafka(kafka.bootstrap_servers, topic_prefix))
    assert summary.stats.delivered == len(events) == 500
    assert sum(event["input_tokens"] for event in events) == 467_684
    assert sum(event["output_tokens"] for event in events) == 132_536


def test_a_named_model_is_priced_by_the_client(tmp_path: Path) -> None:
    client = Coalmine("replay", home=tmp_path, on_full="wait")
    options = ReplayOptions(model="gpt-4o-mini", provider="openai", at="now")
    with sample_trace() as path:
        replay_trace(path, client, options)
    client.close()
    # gpt-4o-mini: 0.15 US dollars for a million input tokens, 0.60 for a million output tokens.
    for event in requests_of(spooled(tmp_path)):
        assert event["cost_nano_usd"] == 150 * event["input_tokens"] + 600 * event["output_tokens"]


def test_a_simulated_story_is_in_the_spool_event_for_event(tmp_path: Path) -> None:
    story_s = 900.0
    simulation = Simulation(scenario("demo", story_s), seed=3)
    with ExitStack() as clients:

        def make(app: str, environment: str) -> Coalmine:
            return clients.enter_context(Coalmine(app, environment, home=tmp_path, on_full="wait"))

        result = run(simulation, make, Playback(history_s=story_s))
    events = spooled(tmp_path)
    assert Counter(one.event for one in events) == result.produced
    assert (result.stats.produced, result.stats.spooled) == (result.total, result.total)
    assert result.stats.dropped == {}

    requests = requests_of(events)
    truths = truth_of(simulation.until(story_s))
    assert dict(result.versions) == truths
    for (prompt, version), truth in truths.items():
        found = [event for event in requests if (event["prompt"], event["version"]) == (prompt, version)]
        assert len(found) == truth.requests
        assert sum(event["input_tokens"] or 0 for event in found) == truth.input_tokens
        assert sum(event["error_type"] is not None for event in found) == truth.errors
        # Every model of the built-in services has a price, so whatever has tokens has a cost.
        assert all((event["cost_nano_usd"] is None) == (event["input_tokens"] is None) for event in found)
    assert all(one.record["event_time"] <= datetime.now(UTC) for one in events)
    ids = {event["request_id"] for event in requests}
    assert {one.record["request_id"] for one in events if one.event != "requests"} <= ids
