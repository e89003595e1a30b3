"""Where a treatment seems worse: declared segments in which it is, or may be, harmed."""

from coalmine_analytics.results.readout import ArmReadout, SegmentReadout
from coalmine_rollouts.harm import SUSPICION
from coalmine_schemas.plain_number import plain_number

_MOST = 10


def patterns(arm: ArmReadout | None) -> tuple[str, ...]:
    """Returns the segments in which an arm is worse, the surest first, in words.

    What is not shown is said to be a guess: it is corrected for all segments and metrics that were looked at.
    """
    found = (
        [] if arm is None else [each for each in arm.segments if each.harmed or each.adjusted_p <= SUSPICION]
    )
    return tuple(_words(each) for each in sorted(found, key=lambda each: each.adjusted_p)[:_MOST])


def _words(segment: SegmentReadout) -> str:
    effect = "" if segment.effect is None else f" by {plain_number(abs(segment.effect), 2)}"
    verb = "is worse" if segment.harmed else "may be worse"
    return (
        f"{segment.metric} {verb}{effect} where {segment.key} is {segment.value} "
        f"(p {segment.adjusted_p:.2g}, {segment.units:,} units)"
    )
