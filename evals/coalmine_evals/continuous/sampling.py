"""Which requests are scored: decided by a hash of their ids, so it can be repeated and depends on no arm.

A request with hash u in [0, 1) is taken at rate r if u < r. So what is taken at a rate is taken at every
larger one, too, by every scorer and for review: those that people answer questions about have scores of the
judges, which can be calibrated by them.

Metrics of versions and arms are plain means without weights. That is why the scores behind them are taken at
one rate in all strata; scores of a stratum beyond that rate are kept for estimates with weights only.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coalmine_evals.continuous.plan import Scored

_BUCKETS: Final = 2**32


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request that may be scored."""

    request_id: str
    bucket: int
    """Hash of its id, from 0 to 2^32 - 1."""
    segments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is to be scored."""

    request_id: str
    probability: float
    """That it is taken."""
    counts: bool
    """True if its score is one of the metric's: taken at the rate that holds for all strata."""
    stratum: str
    """`segment=value`; empty outside of all strata."""


def taken(
    candidates: Iterable[Candidate], scored: Scored, rate: float, most: int | None = None
) -> tuple[list[Taken], int]:
    """Takes requests at a rate, or fewer, in equal parts of whatever arm or stratum, if there are too many.

    Args:
        candidates: The requests.
        scored: How they are scored.
        rate: Share of all of them, now.
        most: How many can be paid for; None: any number.

    Returns:
        Those to score, and how many others had been, if they could be paid for.
    """
    priorities: list[tuple[float, Candidate, float, str]] = []
    for each in candidates:
        own, stratum = _rate_of(each.segments, scored, rate)
        if own > 0 and (priority := each.bucket / _BUCKETS / own) < 1.0:
            priorities.append((priority, each, own, stratum))
    priorities.sort(key=lambda each: (each[0], each[1].request_id))
    kept = priorities if most is None else priorities[: max(most, 0)]
    # Of those that compete for less than all, each is taken if its hash is below a share of its own rate.
    part = 1.0 if len(kept) == len(priorities) else priorities[len(kept)][0]
    return [
        Taken(each.request_id, own * part, each.bucket / _BUCKETS < rate * part, stratum)
        for _, each, own, stratum in kept
    ], len(priorities) - len(kept)


def affordable(left_nano_usd: int | None, costs: Sequence[int], probe: int) -> int | None:
    """Returns how many scores can be paid for; None: any number.

    Args:
        left_nano_usd: What may be spent; None: any amount.
        costs: Of the latest scores of the metric.
        probe: How many to try while it is not known what one costs.
    """
    if left_nano_usd is None:
        return None
    if not costs:
        return probe if left_nano_usd > 0 else 0
    mean = math.fsum(costs) / len(costs)
    if mean == 0:
        return None
    return max(int(left_nano_usd / mean), 0)


def _rate_of(segments: Mapping[str, str], scored: Scored, rate: float) -> tuple[float, str]:
    """The largest rate that holds for a request, and the stratum it comes from."""
    own, name = rate, ""
    for each in scored.strata:
        if segments.get(each.segment) == each.value:
            name = name or f"{each.segment}={each.value}"
            own = max(own, each.rate)
    return own, name
