"""Settings of readouts and of drift: which metrics matter how much, and how rare false alarms are."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from coalmine_server.settings.sections import Section


class SizeSetting(Section):
    """The size of a change: `0.02` in the metric's unit, or `"3%"` of the control arm's value."""

    value: float = Field(ge=0, allow_inf_nan=False)
    """In the metric's unit, or as a share."""
    relative: bool = False
    """Whether it is a share."""


def _size(given: object) -> object:
    if isinstance(given, str) and given.strip().endswith("%"):
        try:
            return {"value": float(given.strip().removesuffix("%")) / 100, "relative": True}
        except ValueError:
            raise ValueError(f'{given!r} is no size: write 0.02, or "3%" for a share of control') from None
    if isinstance(given, str | int | float):
        return {"value": given}
    return given


def _written(size: SizeSetting) -> str | float:
    return f"{size.value * 100:g}%" if size.relative else size.value


Size = Annotated[SizeSetting, BeforeValidator(_size), PlainSerializer(_written)]


class MetricSetting(Section):
    """What is to be known of one metric; what is left out stays as the catalogue has it."""

    direction: Literal["higher", "lower", "same", "unknown"] | None = None
    """Which way is better; `same`: any change is bad."""
    unit: str | None = None
    """Shown beside its values."""
    guardrail: bool | None = None
    """Whether harm rolls back, and a promotion needs proof that there is none."""
    margin: Size | None = None
    """A worsening that would not be accepted."""
    tolerance: Size | None = None
    """A worsening that is still accepted."""
    mde: Size | None = None
    """Minimum detectable effect."""


class ExperimentSetting(Section):
    """How one experiment was planned."""

    control: str | None = None
    """The arm the others are compared with."""
    alpha: float | None = Field(default=None, gt=0, lt=1)
    """Chance of ever erring; that of all readouts if unset."""
    goals: tuple[str, ...] = ()
    """Metrics of which one has to be better for a promotion."""
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = None
    """Planned share of units by arm, in any scale; without it units cannot be checked against the plan."""


class ReadoutSettings(Section):
    """Readouts of experiments."""

    look_every_s: float = Field(default=30.0, gt=0)
    """How often the server sees whether an experiment has grown by 1 %, and if so takes a look."""
    max_age_s: float = Field(default=5.0, ge=0)
    """Who asks gets a stored look that is no older; else a new one is taken, and stored."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Chance of ever erring, for each kind of decision."""
    metrics: dict[str, MetricSetting] = Field(default={})
    """By metric: `[readout.metrics.NAME]`."""
    experiments: dict[str, ExperimentSetting] = Field(default={})
    """By experiment: `[readout.experiments.NAME]`."""


class DriftSettings(Section):
    """Drift of versions that nobody changed."""

    reference_days: int = Field(default=14, ge=3, le=366)
    """A version is compared with its first so many whole days with requests; once frozen they stay."""
    reference_requests: int = Field(default=1_000, ge=100)
    """The reference goes on until it has so many requests."""
    false_alarm_days: float = Field(default=365.0, gt=0, allow_inf_nan=False)
    """Average run length to a false alarm of a version in an environment, all its metrics together."""
    tolerance: float = Field(default=1 / 3, ge=0, lt=1)
    """A lasting shift of this share of a metric's margin is no drift."""
    sum_up_every_s: float = Field(default=1_800.0, gt=0)
    """How often the server sums up new hours, so that they outlive their raw events."""
