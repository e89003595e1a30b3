"""Why a metric changed: parts of the change, segments that moved, and features that go along with it."""

from coalmine_analytics.explain.explanation import explain

__all__ = ["explain"]
