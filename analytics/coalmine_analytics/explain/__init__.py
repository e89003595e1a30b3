"""Why a metric changed: parts of the change, segments that moved, and associated features."""

from coalmine_analytics.explain.explanation import explain

__all__ = ["explain"]
