"""Fills a topic with events of the full schema, as fast as two processes can make them."""

import multiprocessing
import time

from confluent_kafka import Producer

from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.kafka_config import producer_config
from coalmine_schemas.topics import topic_name
from tests.support.data.event_factory import EventFactory

PROCESSES = 2
"""Producing processes, each a simulated service with events of its own."""


def produce_requests(
    bootstrap_servers: str, prefix: str, events: int, partitions: int, *, unpriced: float = 0.0, seed: int = 0
) -> float:
    """Produce requests, in order of event time, over all partitions; returns the seconds it took.

    Args:
        bootstrap_servers: Of the broker.
        prefix: Of the topic.
        events: How many.
        partitions: Over how many partitions.
        unpriced: Share of the events that come without a cost, at least; some always do.
        seed: Another one for events with other ids.
    """
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    shares = [events // PROCESSES + (index < events % PROCESSES) for index in range(PROCESSES)]
    workers = [
        context.Process(
            target=_produce,
            args=(bootstrap_servers, prefix, PROCESSES * seed + index, share, partitions),
            kwargs={"unpriced": unpriced},
        )
        for index, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode != 0:
            raise RuntimeError(f"a producer ended with exit code {worker.exitcode}")
    return time.monotonic() - began


def _produce(
    bootstrap_servers: str, prefix: str, seed: int, events: int, partitions: int, *, unpriced: float
) -> None:
    # The settings of the real client.
    queue = {"queue.buffering.max.messages": 500_000, "queue.buffering.max.kbytes": 262_144}
    producer = Producer(
        producer_config(
            bootstrap_servers,
            client_id="load",
            delivery_timeout_s=300,
            max_message_bytes=1_000_000,
            extra=queue,
        )
    )
    factory, encoder = EventFactory(seed=seed), Encoder(SingleObjectFraming())
    topic = topic_name("requests", prefix)
    for index in range(events):
        record = factory.request(index)
        if index % 100 < 100 * unpriced:
            record["cost_nano_usd"] = None
        frame = encoder.encode("requests", record)
        while True:
            try:
                producer.produce(topic, frame, record["unit_id"].encode(), partition=index % partitions)
                break
            except BufferError:
                producer.poll(0.1)
        if index % 1000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("not everything was delivered")
