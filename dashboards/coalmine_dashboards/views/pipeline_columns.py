"""Columns of the tables of the pipeline's page."""

from typing import Final

from coalmine_consumers.results import AuditCheck, DeadLetterRow, GapRow, PartitionStatus
from coalmine_dashboards.formatting import UNKNOWN, count, size
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, dot
from coalmine_dashboards.parts.viewer import local
from coalmine_dashboards.views.pipeline import Cause, EventCounts
from coalmine_registry.records import AuditEntry

__all__ = ["CAUSES", "CHECKS", "EVENTS", "GAPS", "LETTERS", "LOG", "PARTITIONS"]


def _letter_link(letter: DeadLetterRow) -> Html:
    return Html(anchor(letter.dead_letter_id[-12:], "pipeline", letter=letter.dead_letter_id))


EVENTS: Final[tuple[Column[EventCounts], ...]] = (
    Column("Event", lambda each: each.event, text=True),
    Column("Read", lambda each: count(each.consumed), "Messages"),
    Column("Stored", lambda each: count(each.stored), "Events"),
    Column("Duplicates", lambda each: count(each.duplicates), "Messages", vital=False),
    Column("Dead letters", lambda each: count(each.dead_lettered), "Messages"),
    Column("Raw rows", lambda each: count(each.rows), "Kept now, in hot table and Parquet"),
)
PARTITIONS: Final[tuple[Column[PartitionStatus], ...]] = (
    Column("Topic", lambda each: each.topic, text=True),
    Column("Partition", lambda each: each.partition, text=True),
    Column("Position", lambda each: count(each.position), "Next offset to read"),
    Column("Waiting", lambda each: count(each.lag), "Messages"),
)
GAPS: Final[tuple[Column[GapRow], ...]] = (
    Column("Found", lambda each: local(each.detected_at), text=True),
    Column("Partition", lambda each: f"{each.topic} {each.partition}", text=True),
    Column("Lost", lambda each: count(each.available_offset - each.expected_offset), "Offsets"),
    Column("Reason", lambda each: each.reason, text=True, wraps=True),
)
CAUSES: Final[tuple[Column[Cause], ...]] = (
    Column("Event", lambda each: each.event, text=True),
    Column("Failed at", lambda each: each.stage, text=True),
    Column("Reason", lambda each: each.reason, text=True, wraps=True),
    Column("Messages", lambda each: count(each.letters)),
    Column("First", lambda each: local(each.first_at), vital=False),
    Column("Latest", lambda each: local(each.last_at)),
)
LETTERS: Final[tuple[Column[DeadLetterRow], ...]] = (
    Column("Id", _letter_link, "The end of it; opens its bytes", text=True),
    Column("Failed", lambda each: local(each.failed_at, seconds=True), text=True),
    Column("Status", lambda each: each.status, text=True),
    Column("Event", lambda each: each.event, text=True),
    Column("Failed at", lambda each: each.stage, text=True),
    Column("Reason", lambda each: each.reason, text=True, wraps=True),
    Column(
        "From",
        lambda each: f"{each.source_topic} {each.source_partition} @ {each.source_offset:,}",
        "Topic, partition and offset",
        text=True,
        vital=False,
    ),
    Column("Size", lambda each: size(each.size_bytes), vital=False),
    Column("Attempts", lambda each: count(each.attempts), "Failed replays", vital=False),
)
CHECKS: Final[tuple[Column[AuditCheck], ...]] = (
    Column("Check", lambda each: each.name.replace("_", " "), text=True),
    Column("Result", lambda each: dot("good", "agrees") if each.ok else dot("bad", "differs"), text=True),
    Column("Expected", lambda each: count(each.expected)),
    Column("Found", lambda each: count(each.found)),
    Column("What was compared", lambda each: each.explanation, text=True, wraps=True),
)
LOG: Final[tuple[Column[AuditEntry], ...]] = (
    Column("At", lambda each: local(each.at, seconds=True), text=True),
    Column("Who", lambda each: each.actor, text=True),
    Column("Did", lambda each: each.action.replace("_", " "), text=True),
    Column("To", lambda each: " ".join(filter(None, (each.prompt, each.version))) or UNKNOWN, text=True),
    Column("In", lambda each: each.environment or UNKNOWN, text=True, vital=False),
    Column("Reason", lambda each: each.reason or UNKNOWN, text=True, wraps=True),
)
