"""Why a metric changed: parts of the change, segments that moved, and features that go along with it."""

from coalmine_analytics.explain.decomposition import Cells, Decomposition, decompose
from coalmine_analytics.explain.explanation import explain
from coalmine_analytics.results.explain import (
    Contribution,
    ExplainedSide,
    Explanation,
    Feature,
    MovedValue,
    Part,
    Regression,
)

__all__ = [
    "Cells",
    "Contribution",
    "Decomposition",
    "ExplainedSide",
    "Explanation",
    "Feature",
    "MovedValue",
    "Part",
    "Regression",
    "decompose",
    "explain",
]
