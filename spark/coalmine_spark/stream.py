"""One query: Kafka to prepared batches.

Exactly once by three rules. Spark writes down what a batch holds before it begins, and makes it again after
a crash. A batch counts once its manifest is renamed into place. The server imports what follows on its
positions.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from coalmine_consumers.prepared.folder import Manifest, Part, QueryFolder, Span, part_of_json
from coalmine_schemas.atomic_file import make_private_folder
from coalmine_spark.errors import QueryRefused
from coalmine_spark.job import Job, decoding_as_json
from coalmine_spark.kafka_options import kafka_options
from coalmine_spark.query import (
    BatchPlan,
    batch_plan,
    current_query,
    logs_of,
    spans,
    starting_offsets,
    topic_ids,
    topics,
)
from coalmine_spark.tasks import MESSAGE, WRITTEN, identify, write

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LOOK_EVERY_S: Final = 0.2
"""How often the folder is looked at while batches wait for the server."""

_log = logging.getLogger(__name__)


def session(job: Job) -> SparkSession:
    """The session of this process, which has what `spark-submit` was told, and what a query needs."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - tasks need no session

    return (
        SparkSession.builder.appName("coalmine")
        .config("spark.sql.shuffle.partitions", job.tasks)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 20_000)
        # Ids of ten minutes are many: not in Java's heap.
        .config(
            "spark.sql.streaming.stateStore.providerClass",
            "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
        )
        .config("spark.sql.streaming.noDataMicroBatches.enabled", value=False)
        .getOrCreate()
    )


def run(job: Job, spark: SparkSession) -> None:
    """Reads until it is stopped, or once; begins another query where the last one does not fit any more.

    Raises:
        NoServerYet: No server has said where its store stands.
        SourceUnavailable: The broker does not answer.
        StreamingQueryException: The query failed for another reason.
    """
    failed: QueryFolder | None = None
    while True:
        query = current_query(job)
        if query == failed:  # it may go on, so what failed was something else
            raise QueryRefused(f"the query {query.path.name} fails again and again; its last error is above")
        try:
            run_query(job, query, spark)
        except Exception as error:
            if query.refusal() is None and current_query(job) == query:
                raise
            _log.warning("the query %s is over: %s", query.path.name, error)
            failed = query
        else:
            return


def run_query(job: Job, query: QueryFolder, spark: SparkSession) -> None:
    """Runs one query until it fails or, if it is to run once, has read what is there."""
    writer = repeated_dropped(job, query, spark).writeStream.foreachBatch(_batches(job, query))
    writer = writer.option("checkpointLocation", str(query.checkpoint))
    if job.once:
        writer = writer.trigger(availableNow=True)
    else:
        writer = writer.trigger(processingTime=f"{job.trigger_s} seconds")
    running = writer.start()
    try:
        running.awaitTermination()
    finally:
        running.stop()


def repeated_dropped(job: Job, query: QueryFolder, spark: SparkSession) -> DataFrame:
    """Messages of which none is repeated, and marks.

    Time is when a batch began, not when something happened: nothing is ever too late. `_check_time` sees to
    it that it never goes back.
    """
    from pyspark.sql import functions  # noqa: PLC0415

    decoding = decoding_as_json(job.decoding)
    messages = (
        spark.readStream.format("kafka")
        .options(**kafka_options(job.bootstrap_servers, job.security))
        .option("subscribe", ",".join(topics(job)))
        .option("startingOffsets", starting_offsets(query.query()))
        .option("maxOffsetsPerTrigger", job.max_events)
        .load()
    )
    # A watermark is read from what is dropped, too: this column is a constant of the batch.
    return (
        messages.mapInArrow(identify(decoding), MESSAGE)
        .withColumn("began_at", functions.current_timestamp())
        .withWatermark("began_at", f"{job.duplicates_within_s} seconds")
        .dropDuplicatesWithinWatermark(["identity"])
        .drop("began_at")
    )


def _batches(job: Job, query: QueryFolder) -> Callable[[DataFrame, int], None]:
    began = query.query()
    decoding = decoding_as_json(job.decoding)

    def batch(messages: DataFrame, number: int) -> None:
        mine = number + 1  # batch 0 says where the query began
        _wait_for_server(job, query)
        if query.manifest(mine) is not None:
            return
        held = spans(query, number)
        if not held:
            return
        plan = batch_plan(query.checkpoint, number)
        _check_time(query, plan)
        folder = query.batch(mine)
        make_private_folder(folder)
        ingest_id = began.first_ingest_id + mine
        written_at = datetime.now(UTC)
        task = write(decoding, folder, ingest_id, written_at)
        rows: list[Any] = messages.mapInArrow(task, WRITTEN).collect()
        parts = [part_of_json(row["part"]) for row in rows]
        _check_topics(job, query)
        query.finish(mine, Manifest(ingest_id, written_at, _without_holes(held, parts), parts))

    return batch


def _wait_for_server(job: Job, query: QueryFolder) -> None:
    """Waits while too many batches wait for the server.

    Raises:
        QueryRefused: The server refuses them.
    """
    while True:
        refusal = query.refusal()
        if refusal is not None:
            raise QueryRefused(refusal.reason)
        if len(query.waiting()) < job.max_waiting:
            return
        time.sleep(LOOK_EVERY_S)


def _check_time(query: QueryFolder, plan: BatchPlan | None) -> None:
    """Spark drops what is older than its watermark: with a clock set back, that would be everything.

    Raises:
        QueryRefused: It is.
    """
    if plan is not None and plan.began_ms <= plan.watermark_ms:
        reason = "the clock of the driver was set back by more than repeated events are remembered"
        query.refuse(reason)
        raise QueryRefused(reason)


def _check_topics(job: Job, query: QueryFolder) -> None:
    """Offsets of a topic that was made anew mean something else.

    Raises:
        QueryRefused: One was.
    """
    known = topic_ids(query.query())
    for log in logs_of(job):
        topic, _, topic_id = log.partition
        if known.get(topic, topic_id) != topic_id:
            reason = f"the topic {topic} was deleted and created again"
            query.refuse(reason)
            raise QueryRefused(reason)


def _without_holes(held: list[Span], parts: list[Part]) -> list[Span]:
    """The spans; the first says how many positions of all held no message (markers of transactions)."""
    passed = sum(each.next - each.start for each in held)
    read = sum(sum(part.read.values()) for part in parts)
    if passed == read:
        return held
    first, *others = held
    return [Span(first.partition, first.start, first.next, passed - read), *others]
