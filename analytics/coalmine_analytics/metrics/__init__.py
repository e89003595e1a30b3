"""The metric catalogue: the meaning of each metric, which way is better, and which changes matter."""

from coalmine_analytics.metrics.catalogue import BUILT_IN, listed, metrics_in, planned
from coalmine_analytics.metrics.limits import bad_values
from coalmine_analytics.metrics.metric import Metric, MetricOverride
from coalmine_schemas.size import Size

__all__ = ["BUILT_IN", "Metric", "MetricOverride", "Size", "bad_values", "listed", "metrics_in", "planned"]
