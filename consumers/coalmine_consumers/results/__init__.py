"""Results that this part hands out, served by the API as they are; none imports DuckDB, numpy or pyarrow.

Their modules are imported, one after the other, until they have the name that is asked for: a command that
shows one table would wait for the classes of all the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coalmine_consumers.results.ad_hoc import SqlAnswer, SqlColumn
    from coalmine_consumers.results.audit import AuditCheck, AuditIdentity, AuditReport
    from coalmine_consumers.results.costs import CostDimension, CostPoint, CostRow, Costs
    from coalmine_consumers.results.dead_letters import (
        DeadLetterDetail,
        DeadLetterRow,
        DeadLettersChanged,
        DeadLetterStatus,
        FrameKind,
        StillFailing,
    )
    from coalmine_consumers.results.drift import DayIgnored
    from coalmine_consumers.results.experiments import ExperimentRow
    from coalmine_consumers.results.export import Export, ExportedTable, ExportFormat
    from coalmine_consumers.results.feedback import (
        CallContext,
        CallPlace,
        FeedbackRow,
        Opinion,
        PlaceMetric,
        ServedBy,
    )
    from coalmine_consumers.results.forget import Forgotten
    from coalmine_consumers.results.ingest import (
        Counts,
        GapRow,
        IngestStatus,
        PartitionStatus,
        SegmentRow,
        StoreSizes,
    )
    from coalmine_consumers.results.measures import (
        DeploymentMark,
        Facets,
        MarkArm,
        MarkExperiment,
        MeasuredMetric,
        Measures,
        ModelUse,
        QuantileMetric,
        QuantileRow,
        Quantiles,
        QuantileValue,
        QuantityRow,
        Step,
        StepChoice,
        Timeseries,
        TimeseriesRow,
        UnpricedRow,
        VersionRow,
    )
    from coalmine_consumers.results.rebuild import RebuildStatus, Rebuilt
    from coalmine_consumers.results.stored_call import CallFeedback, CallScore, StoredCall

__all__ = [
    "AuditCheck",
    "AuditIdentity",
    "AuditReport",
    "CallContext",
    "CallFeedback",
    "CallPlace",
    "CallScore",
    "CostDimension",
    "CostPoint",
    "CostRow",
    "Costs",
    "Counts",
    "DayIgnored",
    "DeadLetterDetail",
    "DeadLetterRow",
    "DeadLetterStatus",
    "DeadLettersChanged",
    "DeploymentMark",
    "ExperimentRow",
    "Export",
    "ExportFormat",
    "ExportedTable",
    "Facets",
    "FeedbackRow",
    "Forgotten",
    "FrameKind",
    "GapRow",
    "IngestStatus",
    "MarkArm",
    "MarkExperiment",
    "MeasuredMetric",
    "Measures",
    "ModelUse",
    "Opinion",
    "PartitionStatus",
    "PlaceMetric",
    "QuantileMetric",
    "QuantileRow",
    "QuantileValue",
    "Quantiles",
    "QuantityRow",
    "RebuildStatus",
    "Rebuilt",
    "SegmentRow",
    "ServedBy",
    "SqlAnswer",
    "SqlColumn",
    "Step",
    "StepChoice",
    "StillFailing",
    "StoreSizes",
    "StoredCall",
    "Timeseries",
    "TimeseriesRow",
    "UnpricedRow",
    "VersionRow",
]

_MODULES: Final = (
    *("measures", "ingest", "costs", "feedback", "stored_call", "dead_letters", "experiments", "drift"),
    *("ad_hoc", "audit", "export", "forget", "rebuild"),
)
"""What most commands show comes first."""


def __getattr__(name: str) -> object:
    """Returns a result of this part, from the first module that has it."""
    if name in __all__:
        for module in _MODULES:
            found: object = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
