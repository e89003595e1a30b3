"""Where a query begins and how far its batches go: what the broker and the checkpoint say."""

import json
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient

from coalmine_consumers.errors import SourceUnavailable
from coalmine_consumers.prepared.folder import Manifest, Query, QueryFolder, Span, read_position
from coalmine_consumers.raw import READ_EVENTS, TopicPartition
from coalmine_consumers.sources.assembly import BatchAssembly
from coalmine_consumers.sources.kafka_look import Look
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, admin_config
from coalmine_consumers.sources.resume import PartitionLog, resume
from coalmine_schemas.topics import topic_name
from coalmine_spark.errors import NoServerYet
from coalmine_spark.job import Job

WAIT_S: Final = 30.0
"""How long the broker may take to say what it holds."""

_log = logging.getLogger(__name__)


def topics(job: Job) -> list[str]:
    """The topics that are read."""
    return [topic_name(event, job.decoding.topic_prefix) for event in READ_EVENTS]


def logs_of(job: Job) -> list[PartitionLog]:
    """The partitions of our topics, as the broker describes them.

    Raises:
        SourceUnavailable: It does not answer, or a topic does not exist.
    """
    settings = KafkaSourceSettings(
        job.bootstrap_servers, topic_prefix=job.decoding.topic_prefix, extra=job.security
    )
    admin = AdminClient({**admin_config(settings)})
    look = _answered(Look(admin, topics(job), ()))
    look = _answered(Look(admin, topics(job), look.partitions()))
    missing = look.missing_topics()
    if missing or (problem := look.problem()) is not None:
        reason = f"these topics do not exist: {', '.join(missing)}" if missing else problem
        raise SourceUnavailable(f"Kafka at {job.bootstrap_servers}: {reason}")
    found = look.logs()
    if len(found) < len(look.partitions()):
        raise SourceUnavailable(f"Kafka at {job.bootstrap_servers}: some partitions have no leader")
    return sorted(found.values(), key=lambda log: log.partition)


def _answered(look: Look) -> Look:
    deadline = time.monotonic() + WAIT_S
    while not look.done():
        if time.monotonic() > deadline:
            raise SourceUnavailable(f"the brokers did not answer within {WAIT_S:.0f} s")
        time.sleep(0.02)
    return look


def current_query(job: Job) -> QueryFolder:
    """The query to go on with: the last one, or a new one that begins where the store stands.

    A new one begins where there is none, where the server refused the last one, and where the broker no
    longer has what the last one would read next: what is lost is told to the server as the collector would.

    Raises:
        NoServerYet: No server has said where its store stands.
        SourceUnavailable: The broker does not answer.
    """
    logs = logs_of(job)
    query = QueryFolder.newest(job.folder)
    if query is not None and query.refusal() is None and _can_go_on(query, logs):
        return query
    return _begin(job, logs)


def _begin(job: Job, logs: list[PartitionLog]) -> QueryFolder:
    position = read_position(job.folder)
    if position is None:
        raise NoServerYet(job.folder)
    stored = {each.partition: each.next for each in position.positions}
    assembly = BatchAssembly()
    starts = []
    for log in logs:
        goes_on = resume(log, stored)
        goes_on.note(assembly, _log)
        starts.append(Span(goes_on.partition, goes_on.stored, goes_on.position))
    query = Query(position.next_ingest_id, starts)
    first = assembly.build()
    if first is None:
        return QueryFolder.begin(job.folder, query, None)
    spans = [Span(each, first.starts[each], first.positions[each]) for each in first.starts]
    manifest = Manifest(
        position.next_ingest_id,
        datetime.now(UTC),
        spans,
        gaps=list(first.gaps),
        retired=list(first.retired),
    )
    return QueryFolder.begin(job.folder, query, manifest)


def _can_go_on(query: QueryFolder, logs: list[PartitionLog]) -> bool:
    known = topic_ids(query.query())
    reached = query_offsets(query)
    return all(
        known.get(log.partition.topic, log.partition.topic_id) == log.partition.topic_id
        and log.first <= reached.get((log.partition.topic, log.partition.partition), log.first) <= log.end
        for log in logs
    )


def topic_ids(query: Query) -> dict[str, str]:
    """The id that each topic had when the query began."""
    return {each.partition.topic: each.partition.topic_id for each in query.starts}


def starting_offsets(query: Query) -> str:
    """Where the query begins, as Spark's Kafka source wants it."""
    offsets: dict[str, dict[str, int]] = {}
    for each in query.starts:
        offsets.setdefault(each.partition.topic, {})[each.partition.partition] = each.next
    return json.dumps(offsets)


Offsets = dict[tuple[str, str], int]
"""Next to read, by topic and partition."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What Spark wrote down about a batch before it began."""

    offsets: Offsets
    began_ms: int
    watermark_ms: int


def batch_plan(checkpoint: Path, number: int) -> BatchPlan | None:
    """What a checkpoint's log says of a batch; None if there is no such batch.

    A version line, a line about time, and one for each source: ours is the only one.
    """
    try:
        lines = (checkpoint / "offsets" / str(number)).read_text().splitlines()
    except FileNotFoundError:
        return None
    if lines[0] != "v1" or len(lines) != 3:
        raise ValueError(f"{checkpoint}/offsets/{number}: not the log of Spark 4.0 with one source")
    times = json.loads(lines[1])
    offsets = {
        (topic, partition): offset
        for topic, partitions in json.loads(lines[2]).items()
        for partition, offset in partitions.items()
    }
    return BatchPlan(offsets, times["batchTimestampMs"], times["batchWatermarkMs"])


def query_offsets(query: QueryFolder) -> Offsets:
    """How far the query's batches go that Spark has completed, or where it began."""
    began = {(each.partition.topic, each.partition.partition): each.next for each in query.query().starts}
    commits = query.checkpoint / "commits"
    numbers = (
        [int(path.name) for path in commits.glob("*") if path.name.isdecimal()] if commits.is_dir() else []
    )
    plan = batch_plan(query.checkpoint, max(numbers)) if numbers else None
    return began if plan is None else {**began, **plan.offsets}


def spans(query: QueryFolder, number: int) -> list[Span]:
    """What of each partition a batch of Spark's holds; those of which it holds nothing are left out."""
    began = query.query()
    before = {(each.partition.topic, each.partition.partition): each.next for each in began.starts}
    last = batch_plan(query.checkpoint, number - 1) if number else None
    before |= last.offsets if last is not None else {}
    plan = batch_plan(query.checkpoint, number)
    assert plan is not None, "Spark writes it before the batch begins"
    ids = topic_ids(began)
    found = []
    for (topic, partition), next_ in sorted(plan.offsets.items()):
        start = before.get(
            (topic, partition), 0
        )  # a partition that was added since has all that it ever held
        if next_ != start:
            found.append(Span(TopicPartition(topic, partition, ids.get(topic, "")), start, next_))
    return found
