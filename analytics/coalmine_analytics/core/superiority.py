"""Goals: evidence that the treatment is better at all."""

from coalmine_analytics.core.effect import Effect
from coalmine_analytics.core.non_inferiority import non_inferior_log_e
from coalmine_analytics.core.ratio import FloatArray


def superior_log_e(effect: Effect, *, mde: FloatArray | float, higher_is_better: bool) -> FloatArray:
    """Evidence that the treatment is better than control. Correct over goals by Holm on the running p.

    Args:
        effect: Differences, fields of shape (...,).
        mde: As for `log_e_value`.
        higher_is_better: Direction of the metric.

    Returns:
        log E, shape (...,); NaN where the effect is not usable.

    Raises:
        InvalidParameter: An mde is not positive and finite.
    """
    return non_inferior_log_e(effect, mde=mde, higher_is_better=higher_is_better, margin=0.0)
