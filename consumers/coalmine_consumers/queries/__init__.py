"""Questions a person asks, answered from rollups alone: as fast over 20 million events as over one.

Calls and feedback, one by one, and what segments and users cost, come from the raw rows.
"""

from coalmine_consumers.queries.call_context import call_context
from coalmine_consumers.queries.costs import costliest_models, costs
from coalmine_consumers.queries.deployment_marks import deployment_marks
from coalmine_consumers.queries.facets import facets
from coalmine_consumers.queries.feedback import feedback
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.ingest_health import IngestHealth, ingest_health
from coalmine_consumers.queries.metric_quantiles import quantiles
from coalmine_consumers.queries.model_use import model_use
from coalmine_consumers.queries.quantities import Dimensions, quantities
from coalmine_consumers.queries.segment_files import segment_files
from coalmine_consumers.queries.stored_call import request_prompts, stored_call
from coalmine_consumers.queries.timeseries import timeseries
from coalmine_consumers.queries.unpriced import unpriced
from coalmine_consumers.queries.version_order import version_key
from coalmine_consumers.queries.versions import versions

__all__ = [
    "Dimensions",
    "Filters",
    "IngestHealth",
    "call_context",
    "costliest_models",
    "costs",
    "deployment_marks",
    "facets",
    "feedback",
    "ingest_health",
    "model_use",
    "quantiles",
    "quantities",
    "request_prompts",
    "segment_files",
    "stored_call",
    "timeseries",
    "unpriced",
    "version_key",
    "versions",
]
