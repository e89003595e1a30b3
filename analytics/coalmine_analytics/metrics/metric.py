"""Metrics: what must be known of one before it can be judged."""

from dataclasses import KW_ONLY, dataclass, replace

from coalmine_analytics.errors import invalid
from coalmine_analytics.results.catalogue import Kind
from coalmine_analytics.results.verdicts import Direction
from coalmine_schemas.size import Size

_MARGIN, _TOLERANCE = Size(0.03, relative=True), Size(0.0)


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
    """True if its denominator is the number of units instead of the cells' own."""
    scale: float = 1.0
    """Factor from the cells' values to the metric's: 1e-9 turns nano-dollars into dollars."""
    raw_cells: str | None = None
    """The cells of the same measure without a cap, where these have one."""
    clipped_cells: str | None = None
    """The cells that count values beyond the cap."""
    guardrail: bool = False
    """True if harm rolls back, and a promotion needs proof that there is none."""
    margin: Size = _MARGIN
    """A worsening of this size is not acceptable: non-inferiority means less than this."""
    tolerance: Size = _TOLERANCE
    """A worsening up to this size is accepted: harm means more than this."""
    mde: Size | None = None
    """Minimum detectable effect; None takes the margin, and where that is 0 0.2 standard deviations."""
    description: str = ""

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
    guardrail: bool | None = None
    margin: Size | None = None
    tolerance: Size | None = None
    mde: Size | None = None

    def applied_to(self, metric: Metric) -> Metric:
        """Return the metric with these changes.

        Raises:
            InvalidParameter: A guardrail without a direction, or an mde of 0.
        """
        fields = ("direction", "unit", "guardrail", "margin", "tolerance", "mde")
        given = {name: value for name in fields if (value := getattr(self, name)) is not None}
        changed = replace(metric, **given)
        if changed.guardrail and changed.direction == "unknown":
            raise invalid(
                f"direction of the guardrail {metric.name}",
                "unknown",
                "say whether higher or lower is better",
            )
        if changed.mde is not None and changed.mde.value == 0:
            raise invalid(f"mde of {metric.name}", 0, "give a positive effect size")
        return changed
