"""A server that runs on and on at a modest rate takes no more of the machine than it did in the beginning.

In full this takes two hours, or `COALMINE_TEST_LONG_RUN_S` seconds. What was tried says how long it was.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from coalmine import Coalmine
from tests.server.registry_client import HELLO, Person
from tests.support.campaign import CAMPAIGN, size
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.torture.watch import Growth, Sample, growth, sample

DURATION_S: Final = float(os.environ.get("COALMINE_TEST_LONG_RUN_S", size(2, 7200)))
CALLS_PER_S: Final = 40
SAMPLE_EVERY_S: Final = DURATION_S / size(8, 240)
QUESTIONS: Final = (
    "/v1/versions?since=15m",
    "/v1/timeseries?since=15m&step=minute",
    "/v1/quantiles?since=15m&metric=latency_ms&q=0.95",
    "/v1/feedback?since=15m&limit=50",
    "/v1/ingest",
    "/v1/prompts",
)


@pytest.mark.kafka
def test_two_hours_at_a_modest_rate_take_no_more_and_more_of_the_machine(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    home = tmp_path / "home"
    settings = {
        "COALMINE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "COALMINE_KAFKA_TOPIC_PREFIX": topic_prefix,
        "COALMINE_KAFKA_GROUP_ID": topic_prefix + "group",
        # Files are sealed, merged and deleted many times over in the run.
        "COALMINE_STORE_SEAL_AGE_S": "60",
        "COALMINE_RETENTION_FILE_GRACE_S": "60",
    }
    samples: list[Sample] = []
    made = reactions = 0
    with (
        ServerProcess(home, settings) as server,
        Person.local(server) as admin,
        Coalmine(
            "bot",
            home=home,
            kafka_bootstrap_servers=kafka.bootstrap_servers,
            topic_prefix=topic_prefix,
            environment="dev",
        ) as client,
    ):
        server.wait_ready()
        admin.register("crowd", "1.0.0", HELLO)
        admin.register("crowd", "1.0.1", HELLO | {"template": "Hi {{ name }}"})
        admin.promote("crowd", "1.0.0", "dev")
        assert client.wait_for_registry(60)

        def ask() -> None:
            for question in QUESTIONS:
                server.json(question)

        began = time.monotonic()
        while (elapsed_s := time.monotonic() - began) < DURATION_S:
            while made < elapsed_s * CALLS_PER_S:
                prompt = client.prompt("crowd", f"user-{made % 5000}")
                with prompt.call() as call:
                    call.record(input_tokens=100, output_tokens=20)
                made += 1
                if made % 5 == 0:
                    client.feedback(call.request_id, thumbs="down" if made % 4 else "up")
                    reactions += 1
            if elapsed_s >= len(samples) * SAMPLE_EVERY_S:
                admin.promote("crowd", f"1.0.{(len(samples) + 1) % 2}", "dev")  # wakes who waits
                samples.append(sample(server.process.pid, home, ask))
            time.sleep(0.02)
        took_s = time.monotonic() - began

        assert client.flush(60)
        assert client.stats().dropped == {}
        figures: dict[str, Growth] = {}
        told = f"{took_s / 60:.0f} minutes, {made:,} calls and {reactions:,} reactions by Kafka"
        if CAMPAIGN:
            figures = {
                name: growth(samples, name)
                for name in ("memory_mib", "handles", "threads", "files", "answer_s")
            }
            told += "; second and last quarter: " + ", ".join(
                f"{name} {each.early:.3g} and {each.late:.3g}" for name, each in figures.items()
            )
        record_property("tried", told)
        eventually(
            lambda: sum(each["requests"] for each in server.json("/v1/versions")["items"]) == made,
            what=f"{made} calls stored",
        )
        eventually(lambda: server.json("/v1/ingest")["lag"] == 0, what="nothing waiting")
        audit = server.json("/v1/audit")
        assert audit["ok"], audit
        assert server.stop() == 0
    first, last = samples[0], samples[-1]
    assert last.handles <= first.handles + 50, (first, last)
    assert last.threads <= first.threads + 20, (first, last)
    if CAMPAIGN:
        assert figures["memory_mib"].within(1.15, 50), figures
        assert figures["handles"].within(1.1, 10), figures
        assert figures["threads"].within(1.0, 5), figures
        assert figures["files"].within(1.5, 40), figures
        assert figures["answer_s"].within(3, 0.1), figures
