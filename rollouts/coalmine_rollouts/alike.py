"""Whether counts of requests differ beyond chance: which models answered, how often calls fail."""

import math
from collections.abc import Mapping
from typing import Final

LEAST_REQUESTS: Final = 30
"""Below, nothing is said."""
_LEAST_DIFFERENCE: Final = 0.05
_Z: Final = 3.89
"""p < .0001, two-sided: shares are looked at again and again."""


def models_differ(one: Mapping[str, int], other: Mapping[str, int]) -> str | None:
    """Returns the model whose shares differ by more than 5 points and chance, with both shares; or None."""
    counts = sum(one.values()), sum(other.values())
    if min(counts) < LEAST_REQUESTS:
        return None
    differences = {
        model: (one.get(model, 0) / counts[0], other.get(model, 0) / counts[1]) for model in {*one, *other}
    }
    model, (a, b) = max(differences.items(), key=lambda item: (abs(item[1][0] - item[1][1]), item[0]))
    if abs(a - b) <= _LEAST_DIFFERENCE or not _beyond_chance(a, counts[0], b, counts[1]):
        return None
    return f"{model} answers {a:.0%} and {b:.0%}"


def share_is_above(bad: int, requests: int, usual: float) -> bool:
    """Returns True if a share lies above the usual one by more than 5 points and chance."""
    if requests < LEAST_REQUESTS:
        return False
    share = bad / requests
    spread = math.sqrt(max(usual * (1 - usual), 1 / requests) / requests)
    return share - usual > _LEAST_DIFFERENCE and share - usual > _Z * spread


def _beyond_chance(a: float, count_a: int, b: float, count_b: int) -> bool:
    pooled = (a * count_a + b * count_b) / (count_a + count_b)
    spread = math.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / count_a + 1 / count_b))
    return abs(a - b) > _Z * spread
