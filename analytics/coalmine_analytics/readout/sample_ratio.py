"""Whether units arrive in the arms as planned, at one look.

A unit counts once, where it was first exposed: whether it comes back, and so is seen in later epochs, may be
an effect of its arm. Epochs are one test, the product of their e-values, each against its own planned split.
"""

import numpy as np

from coalmine_analytics.core.running_p import continue_p
from coalmine_analytics.core.srm import srm_log_e
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.results.readout import Readout, SrmReadout
from coalmine_consumers.experiments import ExperimentSums


def sample_ratio(sums: ExperimentSums, plan: Plan, before: Readout | None) -> SrmReadout:
    """Test the planned split, over all looks together.

    Args:
        sums: The look.
        plan: With the planned splits.
        before: The look before.
    """
    log_e, planned = 0.0, False
    for epoch, counts in zip(sums.epochs, sums.first_units, strict=True):
        weights = plan.weights_of(epoch)
        if weights is not None:
            planned = True
            shares = np.array([weights.get(arm, 0.0) for arm in sums.arms])
            log_e += float(srm_log_e(counts, shares))
    if not planned:
        return SrmReadout(
            p=None, log_e=None, mismatch=False, words="not checked: the planned split of units is unknown"
        )
    earlier = np.nan if before is None or before.srm.p is None else before.srm.p
    p = float(continue_p(earlier, log_e))
    mismatch = p <= plan.alpha or (before is not None and before.srm.mismatch)
    words = (
        "units do not arrive in the planned proportions: find the cause before trusting any effect"
        if mismatch
        else "no deviation from the planned proportions shown"
    )
    return SrmReadout(p=p, log_e=log_e if np.isfinite(log_e) else None, mismatch=mismatch, words=words)
