"""Scores of two sides for the gate."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from coalmine_evals.records import MetricScores
from coalmine_evals.results.datasets import Case, Split


def case(
    name: str,
    *,
    capabilities: Sequence[str] = (),
    cluster: str | None = None,
    split: Split = "test",
    must_pass: bool = False,
    expected: str | None = None,
) -> Case:
    """A case without variables."""
    return Case(
        id=name,
        variables={},
        expected=expected,
        capabilities=tuple(capabilities),
        cluster=cluster or name,
        split=split,
        must_pass=must_pass,
        source=None,
    )


def cases(count: int) -> list[Case]:
    """Cases that stand alone."""
    return [case(f"case-{at}") for at in range(count)]


def metric(
    candidate: npt.ArrayLike,
    baseline: npt.ArrayLike,
    *,
    name: str = "correct",
    margin: float = 0.05,
    advisory: str | None = None,
) -> MetricScores:
    """Scores; those without repeats are given as a list."""
    new, old = (np.asarray(each, np.float64) for each in (candidate, baseline))
    new, old = (each[:, None] if each.ndim == 1 else each for each in (new, old))
    return MetricScores(name, margin, new, old, advisory)


def right(count: int, of: int) -> npt.NDArray[np.float64]:
    """The first `count` of so many cases are right."""
    return (np.arange(of) < count).astype(np.float64)
