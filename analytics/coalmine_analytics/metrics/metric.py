"""Metrics: what must be known of one before it can be judged."""

from dataclasses import KW_ONLY, dataclass, replace

from coalmine_analytics.errors import invalid
from coalmine_analytics.results.catalogue import Kind
from coalmine_analytics.results.verdicts import Direction, Role
from coalmine_schemas.size import Size

_MARGIN = Size(0.03, relative=True)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the catalogue."""

    name: str
    """The name shown to people."""
    kind: Kind
    unit: str
    """Of its values: "share", "USD" and the like; "" where it has none."""
    direction: Direction
    cells: str
    """The metric of the experiment cells that holds its sums."""
    _: KW_ONLY
    per_unit: bool = False
    """True if its denominator is the number of units that had time: to return, or for late outcomes."""
    scale: float = 1.0
    """Factor from the cells' values to the metric's: 1e-9 turns nano-dollars into dollars."""
    raw_cells: str | None = None
    """The cells of the same measure without a cap, where these have one."""
    clipped_cells: str | None = None
    """The cells that count values beyond the cap."""
    role: Role = "shown"
    """What depends on it."""
    margin: Size = _MARGIN
    """A worsening of this size is not acceptable: non-inferiority means less than this."""
    own_tolerance: Size | None = None
    """Its tolerance, where that is not a third of the margin."""
    mde: Size | None = None
    """Minimum detectable effect; None takes the margin, and where that is 0 0.2 standard deviations."""
    description: str = ""

    @property
    def tolerance(self) -> Size:
        """A worsening up to this size is accepted: harm means more than this.

        By default a third of the margin. With none, whatever lies within the margin would pass first and,
        with more data, be found harmful.
        """
        if self.own_tolerance is not None:
            return self.own_tolerance
        return Size(self.margin.value / 3.0, self.margin.relative)

    @property
    def hypothesis(self) -> str:
        """The hypothesis it is tested for; evidence for one hypothesis does not carry over to another."""
        mde = "auto" if self.mde is None else str(self.mde)
        return f"{self.cells} {self.direction} margin {self.margin} tolerance {self.tolerance} mde {mde}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricOverride:
    """Properties of a metric that a user overrides; None keeps a property."""

    direction: Direction | None = None
    unit: str | None = None
    role: Role | None = None
    margin: Size | None = None
    tolerance: Size | None = None
    mde: Size | None = None

    def applied_to(self, metric: Metric) -> Metric:
        """Return the metric with these changes.

        Raises:
            InvalidParameter: A role without a direction, or an mde of 0.
        """
        fields = ("direction", "unit", "role", "margin", "mde")
        given = {name: value for name in fields if (value := getattr(self, name)) is not None}
        changed = replace(metric, **given, own_tolerance=self.tolerance or self._kept_tolerance(metric))
        if changed.role != "shown" and changed.direction == "unknown":
            raise invalid(
                f"direction of {metric.name} ({changed.role})",
                "unknown",
                "say whether higher or lower is better",
            )
        if changed.mde is not None and changed.mde.value == 0:
            raise invalid(f"mde of {metric.name}", 0, "give a positive effect size")
        return changed

    def _kept_tolerance(self, metric: Metric) -> Size | None:
        """The metric's own tolerance, unless a margin given here is less: that has a third of itself."""
        own, margin = metric.own_tolerance, self.margin
        if own is None or margin is None or (own.relative == margin.relative and own.value <= margin.value):
            return own
        return None
