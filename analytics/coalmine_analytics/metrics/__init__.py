"""The metric catalogue: what each number means, which way is better, and how much of a change matters."""

from coalmine_analytics.metrics.catalogue import BUILT_IN, listed, metrics_in
from coalmine_analytics.metrics.metric import Metric, MetricOverride, Size

__all__ = ["BUILT_IN", "Metric", "MetricOverride", "Size", "listed", "metrics_in"]
