"""What the API answers, field by field, with units. The command's `--json` prints the same."""

from coalmine_server.answers.models.audit import AuditCheck, AuditIdentity, AuditReport
from coalmine_server.answers.models.base import Answer
from coalmine_server.answers.models.dead_letters import (
    DeadLetterDetail,
    DeadLetterRow,
    DeadLetters,
    DeadLettersChanged,
    StillFailing,
)
from coalmine_server.answers.models.ingest import Counts, GapRow, IngestStatus, PartitionStatus, StoreSizes
from coalmine_server.answers.models.measures import (
    Facets,
    Measures,
    QuantileMetric,
    QuantileRow,
    Quantiles,
    QuantileValue,
    Step,
    Timeseries,
    TimeseriesRow,
    VersionRow,
    Versions,
)
from coalmine_server.answers.models.rebuild import RebuildStatus, Rebuilt

__all__ = [
    "Answer",
    "AuditCheck",
    "AuditIdentity",
    "AuditReport",
    "Counts",
    "DeadLetterDetail",
    "DeadLetterRow",
    "DeadLetters",
    "DeadLettersChanged",
    "Facets",
    "GapRow",
    "IngestStatus",
    "Measures",
    "PartitionStatus",
    "QuantileMetric",
    "QuantileRow",
    "QuantileValue",
    "Quantiles",
    "RebuildStatus",
    "Rebuilt",
    "Step",
    "StillFailing",
    "StoreSizes",
    "Timeseries",
    "TimeseriesRow",
    "VersionRow",
    "Versions",
]
