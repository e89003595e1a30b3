"""Settings of readouts and drift: directions and margins of metrics, and rates of false alarms."""

import math
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator, field_validator

from coalmine_analytics.results.verdicts import Direction, Role
from coalmine_schemas.days import Days
from coalmine_schemas.declared_segments import check_keys
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.ranges import DEFAULT_RANGES, Range
from coalmine_schemas.size import Size
from coalmine_server.settings.sections import Section


def _size(given: object) -> Size:
    try:
        return Size.parse(given)
    except InvalidParameter as error:
        raise ValueError(str(error)) from None


def _written(size: Size) -> str | float:
    return str(size) if size.relative else size.value


SizeText = Annotated[Size, PlainValidator(_size), PlainSerializer(_written)]
"""`0.02` in the metric's unit, or `"3%"` of the control arm's value."""


def _days(given: object) -> Days:
    try:
        return Days.parse(given)
    except InvalidParameter as error:
        raise ValueError(str(error)) from None


DaysText = Annotated[Days, PlainValidator(_days), PlainSerializer(str)]
"""`2026-12-24`, or `2026-12-31/2027-01-02` with both ends."""


class MetricSetting(Section):
    """One metric; fields that are not set keep their values from the catalogue."""

    direction: Direction | None = None
    """Which way is better; `same`: any change is bad."""
    unit: str | None = None
    """Unit, shown with its values."""
    role: Role | None = None
    """What depends on it: `must_prove` (harm leads to a rollback, and a promotion needs proof that there is
    none), `must_not_harm` (harm leads to a rollback), `signal` (harm holds) or `shown` (nothing)."""
    margin: SizeText | None = None
    """A worsening that would not be accepted."""
    tolerance: SizeText | None = None
    """A worsening that is still accepted; a third of the margin, or the catalogue's up to it, if unset."""
    mde: SizeText | None = None
    """Minimum detectable effect."""
    range: tuple[float, float] | None = None
    """Least and greatest value of a name in requests' metrics and scores; an event beyond is a dead letter.

    `quality` has 0 to 1, and so have `schema_valid`, `schema_invalid` and `empty_answer`. Values of a name
    without a range count within bounds that each experiment finds.
    """

    @field_validator("range")
    @classmethod
    def _ascends(cls, given: tuple[float, float] | None) -> tuple[float, float] | None:
        if given is not None and not -math.inf < given[0] < given[1] < math.inf:
            raise ValueError(
                f"{list(given)} is no range: give the least and the greatest value, as in [0, 10]"
            )
        return given


class ExperimentSetting(Section):
    """The plan of one experiment."""

    control: str | None = None
    """The arm that the others are compared with."""
    alpha: float | None = Field(default=None, gt=0, lt=1)
    """Probability of ever being wrong; `readout.alpha` if unset."""
    min_units: int | None = Field(default=None, ge=1)
    """Units that an arm must have before a promotion; `readout.min_units` if unset."""
    goals: tuple[str, ...] = ()
    """Metrics of which at least one has to be better for a promotion."""
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = None
    """Planned share of units by arm, in any scale; those of the registry and of events if unset."""


class ReadoutSettings(Section):
    """Readouts of experiments."""

    look_every_s: float = Field(default=30.0, gt=0)
    """How often the server checks whether an experiment has grown by 1 %; if so, it takes a look."""
    max_age_s: float = Field(default=5.0, ge=0)
    """Maximum age of a stored look that answers a question; after that a new look is taken and stored."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Probability of ever being wrong, for each kind of decision."""
    min_units: int = Field(default=600, ge=1)
    """Units that an arm must have before a promotion; a metric without values by then is not applicable."""
    segments: tuple[str, ...] = ()
    """Keys of requests' segments, at most 4, whose values experiments are counted and judged by, too."""
    metrics: dict[str, MetricSetting] = Field(default={})
    """Settings of single metrics, in `[readout.metrics.NAME]`."""
    experiments: dict[str, ExperimentSetting] = Field(default={})
    """Settings of single experiments, in `[readout.experiments.NAME]`."""

    @field_validator("segments")
    @classmethod
    def _can_be_declared(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        try:
            check_keys(keys)
        except InvalidParameter as error:
            raise ValueError(str(error)) from None
        return keys

    @property
    def ranges(self) -> dict[str, Range]:
        """Declared ranges of named values."""
        own = {
            name: Range(*metric.range) for name, metric in self.metrics.items() if metric.range is not None
        }
        return {**DEFAULT_RANGES, **own}


class DriftSettings(Section):
    """Drift of unchanged versions."""

    reference_days: int = Field(default=14, ge=3, le=366)
    """Length of the reference: a version's first whole days with requests. It is then frozen."""
    reference_requests: int = Field(default=1_000, ge=100)
    """Minimum requests in the reference; it is extended until it has them."""
    false_alarm_days: float = Field(default=365.0, gt=0, allow_inf_nan=False)
    """Average run length to a false alarm, for one version in one environment, over all its metrics."""
    tolerance: float = Field(default=1 / 3, ge=0, lt=1)
    """A lasting shift of up to this share of a metric's margin is not drift."""
    special_days: tuple[DaysText, ...] = ()
    """Days that do not count, in UTC, such as `2026-12-24` or `2026-12-31/2027-01-02`."""
    sum_up_every_s: float = Field(default=1_800.0, gt=0)
    """How often the server sums up new hours, so that the sums outlive the raw events."""
