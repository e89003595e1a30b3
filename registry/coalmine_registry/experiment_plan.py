"""How an experiment is judged, fixed when it starts and kept with it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, Final, Literal, Self, get_args

from coalmine_schemas.declared_segments import check_keys
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of, optional_text, refuse_unknown
from coalmine_schemas.results import result
from coalmine_schemas.size import Size

MetricRole = Literal["must_prove", "must_not_harm", "signal", "shown"]
MetricDirection = Literal["higher", "lower", "same"]

_MOST_METRICS: Final = 50
_LONGEST_NAME: Final = 200


@result
class MetricPlan:
    """How one metric is judged; null keeps what the settings or the catalogue say."""

    role: MetricRole | None
    """`must_prove`: a promotion needs proof that it is not worse; `must_not_harm`: harm rolls back; `signal`:
    harm holds; `shown`: nothing depends on it."""
    direction: MetricDirection | None
    """Which way is better; `same`: any change is bad."""
    margin: str | None
    """A worsening that would not be accepted: `0.02` in the metric's unit, `3%` of the control's value."""
    tolerance: str | None
    """A worsening that is still accepted."""
    mde: str | None
    """Minimum detectable effect."""


@result
class ExperimentPlan:
    """How an experiment is judged. The control is its last arm."""

    goals: tuple[str, ...]
    """Metrics of which at least one has to be better for a promotion."""
    alpha: float | None
    """Probability of ever being wrong, for each kind of decision; null: that of the settings."""
    metrics: dict[str, MetricPlan]
    """By name of the metric."""
    limits: dict[str, float]
    """Shares of bad units, 0 to 1, by name of the rate: an arm with more is rolled back without a
    comparison, unless control has more, too."""
    segments: tuple[str, ...]
    """Keys of declared segments that it is judged by; empty: all that the settings declare."""

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON, as `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object, where: str = "plan") -> Self:
        """Reads a plan.

        Args:
            value: As `to_json` writes it; what is left out has its default.
            where: Where it stands, for errors.

        Raises:
            InvalidPrompt: It is not valid; names the field, its value and what to write instead.
        """
        found = object_of(value, where)
        refuse_unknown(found, (each.name for each in fields(cls)), where)
        goals = list_of(found.get("goals") or (), f"{where}.goals")
        metrics = object_of(found.get("metrics") or {}, f"{where}.metrics")
        limits = object_of(found.get("limits") or {}, f"{where}.limits")
        for name, given in (("goals", goals), ("metrics", metrics), ("limits", limits)):
            if len(given) > _MOST_METRICS:
                raise InvalidPrompt(
                    f"{where}.{name}", f"{len(given)} of them", f"give at most {_MOST_METRICS}"
                )
            for metric in given:
                if not isinstance(metric, str) or not 0 < len(metric) <= _LONGEST_NAME:
                    raise InvalidPrompt(f"{where}.{name}", metric, "give names of metrics, e.g. quality")
        alpha = found.get("alpha")
        if alpha is not None and not (
            isinstance(alpha, int | float) and not isinstance(alpha, bool) and 0 < alpha < 1
        ):
            raise InvalidPrompt(f"{where}.alpha", alpha, "give a probability between 0 and 1, e.g. 0.05")
        judged = {name: _metric(each, f"{where}.metrics.{name}") for name, each in metrics.items()}
        return cls(
            tuple(dict.fromkeys(goals)),
            None if alpha is None else float(alpha),
            judged,
            {name: _share(each, f"{where}.limits.{name}") for name, each in limits.items()},
            _segments(found.get("segments") or (), f"{where}.segments"),
        )


DEFAULT: Final = ExperimentPlan((), None, {}, {}, ())

CheckPlan = Callable[[ExperimentPlan], None]
"""Raises InvalidParameter if metrics of the plan cannot be judged: the registry knows none of them."""


CheckMetadata = Callable[[Mapping[str, Any]], object]
"""Raises InvalidPrompt if the metadata of a version say what is not valid, such as a plan of rollouts."""


def accept_metadata(metadata: Mapping[str, Any]) -> None:
    """Accepts all."""


def accept_plan(plan: ExperimentPlan) -> None:
    """Accepts every plan."""


def plan_of_content(content: PromptContent) -> ExperimentPlan:
    """The plan that a version asks for, under `experiment` of its metadata; the default if it names none.

    Raises:
        InvalidPrompt: What stands there is no plan.
    """
    found = content.metadata.get("experiment")
    return DEFAULT if found is None else ExperimentPlan.from_json(found, "metadata.experiment")


def _metric(value: object, where: str) -> MetricPlan:
    found = object_of(value, where)
    refuse_unknown(found, (each.name for each in fields(MetricPlan)), where)
    return MetricPlan(
        role=_one_of(found, "role", where, get_args(MetricRole)),
        direction=_one_of(found, "direction", where, get_args(MetricDirection)),
        margin=_size(found, "margin", where),
        tolerance=_size(found, "tolerance", where),
        mde=_size(found, "mde", where),
    )


def _share(value: object, where: str) -> float:
    try:
        share = Size.parse(value).value
    except InvalidParameter:
        share = 0.0
    if not 0 < share < 1:
        raise InvalidPrompt(where, value, "give a share between 0 and 1, such as 20% or 0.2")
    return share


def _segments(value: object, where: str) -> tuple[str, ...]:
    keys = list_of(value, where)
    for key in keys:
        if not isinstance(key, str):
            raise InvalidPrompt(where, key, "give keys of declared segments, e.g. language")
    try:
        check_keys(keys, where)
    except InvalidParameter as error:
        raise InvalidPrompt(where, keys, str(error)) from None
    return tuple(keys)


def _one_of(found: Mapping[str, Any], key: str, where: str, known: tuple[str, ...]) -> Any:  # noqa: ANN401
    value = optional_text(found, key, where)
    if value is not None and value not in known:
        raise InvalidPrompt(f"{where}.{key}", value, f"give one of {', '.join(known)}")
    return value


def _size(found: Mapping[str, Any], key: str, where: str) -> str | None:
    value = found.get(key)
    if value is None:
        return None
    try:
        return str(Size.parse(value))
    except InvalidParameter:
        raise InvalidPrompt(
            f"{where}.{key}", value, "write 0.02 in the metric's unit, or 3% of the control's value"
        ) from None
