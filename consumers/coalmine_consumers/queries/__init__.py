"""Questions a person asks, answered from rollups alone: as fast over 20 million events as over one."""

from coalmine_consumers.queries.arrow import to_arrow
from coalmine_consumers.queries.deployment_marks import DeploymentMark, deployment_marks
from coalmine_consumers.queries.facets import Facets, facets
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.ingest_health import Counts, GapRow, IngestHealth, StoreSizes, ingest_health
from coalmine_consumers.queries.measures import Measures
from coalmine_consumers.queries.metric_quantiles import QuantileMetric, QuantileRow, QuantileValue, quantiles
from coalmine_consumers.queries.steps import Step
from coalmine_consumers.queries.timeseries import StepChoice, Timeseries, TimeseriesRow, timeseries
from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.queries.versions import VersionRow, versions

__all__ = [
    "Counts",
    "DeploymentMark",
    "Facets",
    "Filters",
    "GapRow",
    "IngestHealth",
    "Measures",
    "QuantileMetric",
    "QuantileRow",
    "QuantileValue",
    "Step",
    "StepChoice",
    "StoreSizes",
    "Timeseries",
    "TimeseriesRow",
    "VersionRow",
    "deployment_marks",
    "facets",
    "ingest_health",
    "quantiles",
    "timeseries",
    "to_arrow",
    "version_key",
    "versions",
]
