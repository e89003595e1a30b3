"""Whether units arrive as planned: each counts once, where it was first exposed, over all epochs together."""

from collections.abc import Sequence

import numpy as np
import pytest

from coalmine_analytics.core.srm import srm_log_e
from coalmine_analytics.readout import Plan
from coalmine_analytics.readout.sample_ratio import sample_ratio
from coalmine_consumers.experiments import UNIT_GROUPS, ExperimentSums

ARMS = ("canary", "control")
EVEN = Plan(weights={"canary": 1, "control": 1})


def sums(first: Sequence[Sequence[int]], seen: Sequence[Sequence[int]] | None = None) -> ExperimentSums:
    """Units by epoch and arm: first exposed there, and seen there at all."""
    shape = (len(first), len(ARMS), UNIT_GROUPS)
    units = np.zeros(shape, np.int64)
    units[..., 0] = first if seen is None else seen
    nothing = np.zeros((1, *shape))
    epochs = tuple(range(1, len(first) + 1))
    return ExperimentSums("exp", ("requests",), epochs, ARMS, nothing, nothing, units, 1, np.array(first))


def test_units_that_come_back_less_often_are_no_broken_split() -> None:
    """Half of the canary's units come back in the second epoch, and all of control's."""
    found = sample_ratio(sums([[5_000, 5_000], [500, 500]], [[5_000, 5_000], [3_000, 5_500]]), EVEN, None)
    assert (found.mismatch, found.words) == (False, "no deviation from the planned proportions shown")
    assert sample_ratio(sums([[5_000, 5_000], [3_000, 5_500]]), EVEN, None).mismatch


def test_epochs_are_one_test_each_against_its_own_split() -> None:
    plan = Plan(epoch_weights={1: {"canary": 1, "control": 9}, 2: {"canary": 1, "control": 1}})
    ramp = [[1_000, 9_000], [4_000, 4_000]]
    found = sample_ratio(sums(ramp), plan, None)
    each = [float(srm_log_e(counts, split)) for counts, split in zip(ramp, ([1, 9], [1, 1]), strict=True)]
    assert found.log_e == pytest.approx(sum(each))
    assert not found.mismatch
    # Neither epoch alone shows what both do.
    slightly = [[4_850, 5_150]] * 4
    assert not sample_ratio(sums(slightly[:1]), EVEN, None).mismatch
    assert sample_ratio(sums(slightly), EVEN, None).mismatch


def test_a_mismatch_stands_and_p_never_rises() -> None:
    broken = sample_ratio(sums([[3_000, 5_500]]), EVEN, None)
    assert broken.p is not None
    assert broken.p < 0.001
    assert sample_ratio(sums([[5_000, 5_000]]), Plan(), None).p is None


def test_equal_splits_of_many_epochs_are_rarely_called_broken() -> None:
    """Loyal users who are in every epoch would make ten tests out of one if they counted each time."""
    random = np.random.default_rng(1)
    arrivals = np.array([4_000, *[100] * 9])
    alarms = 0
    for _ in range(300):
        canary = random.binomial(arrivals, 0.5)
        first = np.stack([canary, arrivals - canary], axis=1).tolist()
        alarms += sample_ratio(sums(first), EVEN, None).mismatch
    assert alarms <= 21  # 300 at 5 %: more than 21 have a chance of 5 %
