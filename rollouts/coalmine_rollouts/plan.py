"""The plan of a rollout: fixed once it starts, and kept with it whole."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final, Literal, Self, get_args

from coalmine_registry.errors import Invalid
from coalmine_registry.experiment_plan import ExperimentPlan, MetricPlan
from coalmine_registry.operations.inputs import required_evidence
from coalmine_registry.records import ENVIRONMENTS
from coalmine_rollouts.windows import read_window
from coalmine_schemas.errors import nearest
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts import canonical_json, percent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import (
    integer,
    list_of,
    object_of,
    optional_bool,
    optional_text,
    refuse_unknown,
)
from coalmine_schemas.quantities import read_duration, read_share, seconds
from coalmine_schemas.results import result
from coalmine_schemas.safe_text import printable

Gate = Literal["no_harm", "not_worse", "no_harm_if_known"]
WhenInconclusive = Literal["hold", "stop", "complete"]
OnSegmentHarm = Literal["rollback", "hold"]
OnSrm = Literal["hold", "stop"]
BlindAct = Literal["hold", "stop"]
Mode = Literal["act", "advise"]

TEMPLATES: Final = (
    "canary-standard",
    "canary-classic",
    "canary-careful",
    "canary-fast",
    "small-traffic",
    "ab-test-staging",
    "holdout",
)
DEFAULT_TEMPLATE: Final = "canary-standard"
"""Where neither the one who starts it nor the metadata of the version names a plan."""
DEFAULT_ENVIRONMENT: Final = "prod"
"""Where neither the one who starts it nor the plan names one."""
COMPLETE: Final = "complete"
DEFAULT_PLACE: Final = "default"

_MOST_STAGES: Final = 20
_MOST_ENTRIES: Final = 50
_DEEPEST: Final = 5
_LEAST_ALPHA: Final = 1e-6
_LEAST_WEIGHT: Final = 1e-4
_LARGEST: Final = 10**12
_LARGEST_HOLDBACK: Final = 0.5


@result
class Stage:
    """A share of the units that the treatment gets, and what it takes to go on."""

    weight: float
    """Share of the treatment, 0 to 1."""
    min_time: str
    """Time with traffic in both arms, at least."""
    min_units: int
    """Units in each arm with a value of every metric that must be proven, at least."""
    gate: Gate
    """`no_harm`: nothing that acts is harmed or suspected. `not_worse`: what must be proven is proven.
    `no_harm_if_known`: `no_harm` for a version that everybody in that place was served within the last two
    weeks, else `not_worse`."""
    every_hour_of_day: bool
    """True: each hour of the day has to be seen once, too."""

    @property
    def min_time_s(self) -> float:
        """Seconds of `min_time`."""
        return seconds(self.min_time)


@result
class Bake:
    """The time after the last stage, in which a version is still watched."""

    time: str
    """How long; `0s`: not at all."""
    holdback: float
    """Share that stays with the control meanwhile; 0: none, so that nothing can be compared any more."""
    rollback: bool
    """False: harm that shows then holds, and does not roll back."""


@result
class WhenBlind:
    """What happens while nothing is measured."""

    after: str | None
    """After how long without ingest; null: never."""
    do: BlindAct
    """`stop`: the place returns to the control, and the rollout is expired."""


@result
class Freeze:
    """A period in which the rollout does not go on."""

    begin: str
    """ISO 8601 with a time zone."""
    end: str
    reason: str


@result
class RolloutPlan:
    """How a version is rolled out."""

    template: str | None
    """Name of the template it began as; null: none."""
    environment: str | None
    """Null: given when it starts."""
    place: str
    """`default`, or the name of a rule."""
    stages: tuple[Stage, ...]
    """In order, with growing weights."""
    bake: Bake
    metrics: dict[str, MetricPlan]
    """By name; what is not named is judged as everywhere."""
    segments: tuple[str, ...]
    """Keys of declared segments to watch; empty: all that are declared."""
    limits: dict[str, float]
    """Largest share of bad units by rate, e.g. `error_rate`: needs no comparison."""
    goals: tuple[str, ...]
    """Metrics of which one has to be better; empty: not being worse is enough."""
    alpha: float
    """Chance of ever rolling a good version back."""
    max_duration: str
    max_exposed_units: int | None
    """Units that may see the treatment before it is decided; null: any number."""
    max_extra_cost_usd: float | None
    """What the treatment may cost more than the control, all in all; null: any amount."""
    when_inconclusive: WhenInconclusive
    """When the time, units or money above are used up without an answer."""
    on_segment_harm: OnSegmentHarm
    on_srm: OnSrm
    """When units do not arrive in the planned proportions."""
    when_blind: WhenBlind
    approve_before: tuple[str, ...]
    """Weights of stages, or `complete`, that a person has to approve."""
    window: str | None
    """When it may start, advance and complete; null: always."""
    freezes: tuple[Freeze, ...]
    """Beside those of the environment and of the prompt."""
    requires: tuple[str, ...]
    """Kinds of evidence that the treatment needs, beside the environment's own."""
    after: tuple[str, ...]
    """Other rollouts that must be completed first."""
    mode: Mode
    """`advise`: decides and says so, and changes nothing after the start."""
    request_promotion: tuple[str, ...]
    """Environments in which a promotion is requested once it is completed."""
    notify: dict[str, str]
    """Passed on with every transition."""

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON, as `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote."""
        return cls(
            **{
                **value,
                "stages": tuple(Stage(**each) for each in value["stages"]),
                "bake": Bake(**value["bake"]),
                "metrics": {name: MetricPlan(**each) for name, each in value["metrics"].items()},
                "when_blind": WhenBlind(**value["when_blind"]),
                "freezes": tuple(Freeze(**each) for each in value["freezes"]),
                **{name: tuple(value[name]) for name in _TEXTS},
            }
        )

    def digest(self) -> str:
        """`sha256:<hex>` of the plan."""
        return f"sha256:{hashlib.sha256(canonical_json(self.to_json())).hexdigest()}"

    def experiment_plan(self) -> ExperimentPlan:
        """How its experiment is judged."""
        return ExperimentPlan(
            goals=self.goals,
            alpha=self.alpha,
            metrics=self.metrics,
            limits=self.limits,
            segments=self.segments,
        )

    @property
    def last(self) -> int:
        """Index of the last stage."""
        return len(self.stages) - 1

    @property
    def max_duration_s(self) -> float:
        """Seconds of `max_duration`."""
        return seconds(self.max_duration)

    def weight(self, stage: int) -> float:
        """Share of the treatment in a stage; the one after the last is the bake."""
        return self.stages[stage].weight if stage <= self.last else 1.0 - self.bake.holdback

    def min_time_s(self, stage: int) -> float:
        """Seconds that a stage takes at least, the bake included."""
        return self.stages[stage].min_time_s if stage <= self.last else seconds(self.bake.time)

    def needs_approval(self, stage: int) -> bool:
        """True if a person has to approve before the stage begins; the one after the last completes."""
        name = COMPLETE if stage > self.last else percent(self.stages[stage].weight)
        return name in self.approve_before


_TEXTS: Final = ("segments", "goals", "approve_before", "requires", "after", "request_promotion")


def read_plan(value: object, where: str = "rollout") -> RolloutPlan:
    """Reads a plan as people write it.

    Args:
        value: The name of a template; or a mapping, in which `rollout` names the template that it changes
            (`canary-standard` if it names none).
        where: Where it stands, for errors.

    Raises:
        InvalidPrompt: It is not valid; names the field, its value and what to write instead.
    """
    if isinstance(value, str):
        return template(value, where)
    given = dict(object_of(value, where))
    _check_texts(given, where)
    name = given.pop("rollout", None)
    base = _document(DEFAULT_TEMPLATE if name is None else _known_template(name, f"{where}.rollout"))
    refuse_unknown(given, _DEFAULTS, where)
    return _plan({**_DEFAULTS, **base, **given}, name, where)


def plan_of_metadata(metadata: Mapping[str, Any]) -> RolloutPlan | None:
    """Returns the plan that a version asks for, under `rollout` of its metadata; None if it names none.

    Raises:
        InvalidPrompt: What stands there is no plan.
    """
    return read_plan(metadata["rollout"], "metadata.rollout") if "rollout" in metadata else None


def template(name: str, where: str = "template") -> RolloutPlan:
    """Returns a shipped plan.

    Raises:
        InvalidPrompt: There is none of this name.
    """
    return _plan({**_DEFAULTS, **_document(_known_template(name, where))}, name, where)


def _known_template(name: object, where: str) -> str:
    if isinstance(name, str) and name in TEMPLATES:
        return name
    near = nearest(str(name), TEMPLATES)
    raise InvalidPrompt(
        where, name, f"did you mean {near}?" if near else f"templates are {', '.join(TEMPLATES)}"
    )


@cache
def _document(name: str) -> Mapping[str, Any]:
    return read_front_matter((files(__package__) / "templates" / f"{name}.yaml").read_text("utf-8"))


_DEFAULTS: Final[Mapping[str, Any]] = {
    "environment": None,
    "place": DEFAULT_PLACE,
    "stages": [],
    "bake": {},
    "metrics": {},
    "segments": [],
    "limits": {},
    "goals": [],
    "alpha": 0.05,
    "max_duration": "7d",
    "max_exposed_units": None,
    "max_extra_cost_usd": None,
    "when_inconclusive": "hold",
    "on_segment_harm": "rollback",
    "on_srm": "hold",
    "when_blind": {},
    "approve_before": [],
    "window": None,
    "freezes": [],
    "requires": [],
    "after": [],
    "mode": "act",
    "request_promotion": [],
    "notify": {},
}


def _plan(found: Mapping[str, Any], name: str | None, where: str) -> RolloutPlan:
    alpha = found["alpha"]
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not _LEAST_ALPHA <= alpha <= 0.5:
        raise InvalidPrompt(
            f"{where}.alpha", alpha, f"give a probability from {_LEAST_ALPHA} to 0.5, e.g. 0.05"
        )
    stages = _stages(found["stages"], f"{where}.stages")
    plan = RolloutPlan(
        template=name,
        environment=_choice(found, "environment", where, ENVIRONMENTS, optional=True),
        place=_name(found["place"], f"{where}.place"),
        stages=stages,
        bake=_bake(found["bake"], f"{where}.bake"),
        metrics=_metrics(found["metrics"], f"{where}.metrics"),
        segments=_names(found, "segments", where),
        limits=_limits(found["limits"], f"{where}.limits"),
        goals=_names(found, "goals", where),
        alpha=float(alpha),
        max_duration=read_duration(found["max_duration"], f"{where}.max_duration"),
        max_exposed_units=_count(found, "max_exposed_units", where),
        max_extra_cost_usd=_amount(found, "max_extra_cost_usd", where),
        when_inconclusive=_choice(found, "when_inconclusive", where, get_args(WhenInconclusive)),
        on_segment_harm=_choice(found, "on_segment_harm", where, get_args(OnSegmentHarm)),
        on_srm=_choice(found, "on_srm", where, get_args(OnSrm)),
        when_blind=_when_blind(found["when_blind"], f"{where}.when_blind"),
        approve_before=_approvals(found["approve_before"], stages, f"{where}.approve_before"),
        window=None if found["window"] is None else read_window(found["window"], f"{where}.window"),
        freezes=_freezes(found["freezes"], f"{where}.freezes"),
        requires=_kinds(found, where),
        after=_names(found, "after", where),
        mode=_choice(found, "mode", where, get_args(Mode)),
        request_promotion=_environments(found, where),
        notify=_notify(found["notify"], f"{where}.notify"),
    )
    least_s = sum(stage.min_time_s for stage in plan.stages)
    if plan.max_duration_s < least_s:
        raise InvalidPrompt(
            f"{where}.max_duration", plan.max_duration, "give at least the sum of the stages' min_time"
        )
    return plan


def _check_texts(value: object, where: str, depth: int = 0) -> None:
    """Refuses texts that a database cannot hold, or that would not be seen where they are shown."""
    if depth > _DEEPEST:
        raise InvalidPrompt(where, "nested too deep", "nest fewer lists and mappings")
    match value:
        case str() if printable(value, lines=False) != value:
            raise InvalidPrompt(where, value, "leave out control characters and invisible ones")
        case dict():
            for key, each in value.items():
                _check_texts(_name(key, f"a key of {where}"), f"a key of {where}")
                _check_texts(each, f"{where}.{key}", depth + 1)
        case list():
            for place, each in enumerate(value):
                _check_texts(each, f"{where}[{place}]", depth + 1)


def _stages(value: object, where: str) -> tuple[Stage, ...]:
    given = list_of(value, where)
    if not 1 <= len(given) <= _MOST_STAGES:
        raise InvalidPrompt(where, f"{len(given)} of them", f"give 1 to {_MOST_STAGES} stages")
    last = len(given) - 1
    stages = tuple(
        _stage(each, f"{where}[{place}]", "not_worse" if place == last else "no_harm")
        for place, each in enumerate(given)
    )
    for place, (before, stage) in enumerate(pairwise(stages), 1):
        if stage.weight <= before.weight or percent(stage.weight) == percent(before.weight):
            raise InvalidPrompt(
                f"{where}[{place}].weight", percent(stage.weight), "give more than the stage before has"
            )
    return stages


def _stage(value: object, where: str, gate: Gate) -> Stage:
    found = object_of(value, where)
    refuse_unknown(found, (each.name for each in fields(Stage)), where)
    weight = read_share(found.get("weight"), f"{where}.weight")
    if not _LEAST_WEIGHT <= weight <= 1 - _LEAST_WEIGHT:
        raise InvalidPrompt(
            f"{where}.weight",
            found.get("weight"),
            "give a share from 0.01% to 99.99%: both arms need units",
        )
    return Stage(
        weight=weight,
        min_time=read_duration(found.get("min_time", "1h"), f"{where}.min_time"),
        min_units=_at_most(
            integer({"min_units": 100, **found}, "min_units", where, at_least=0), f"{where}.min_units"
        ),
        gate=_choice({"gate": gate, **found}, "gate", where, get_args(Gate)),
        every_hour_of_day=optional_bool(found, "every_hour_of_day", where, default=False),
    )


def _bake(value: object, where: str) -> Bake:
    found = object_of(value, where)
    refuse_unknown(found, (each.name for each in fields(Bake)), where)
    holdback = read_share(found.get("holdback", 0.0), f"{where}.holdback")
    if holdback > _LARGEST_HOLDBACK:
        raise InvalidPrompt(f"{where}.holdback", percent(holdback), "give at most 50%")
    return Bake(
        time=read_duration(found.get("time", "24h"), f"{where}.time"),
        holdback=holdback,
        rollback=optional_bool(found, "rollback", where, default=True),
    )


def _metrics(value: object, where: str) -> dict[str, MetricPlan]:
    given = object_of(value, where)
    entries = {name: _with_points(each, f"{where}.{name}") for name, each in given.items()}
    # The registry's own rules for metrics, whose errors name the same fields.
    read = ExperimentPlan.from_json({"metrics": entries}, where.removesuffix(".metrics"))
    return dict(read.metrics)


def _with_points(value: object, where: str) -> dict[str, Any]:
    """A metric with `change` and points (`1pt` is 0.01) as the registry writes them."""
    found = dict(object_of(value, where))
    if (change := found.pop("change", None)) is not None:
        if "direction" in found or "tolerance" in found:
            raise InvalidPrompt(f"{where}.change", change, "it stands for `direction: same` and a tolerance")
        found |= {"direction": "same", "tolerance": change, "margin": found.get("margin", change)}
    for part in ("margin", "tolerance", "mde"):
        text = found.get(part)
        if isinstance(text, str) and text.strip().endswith("pt"):
            try:
                found[part] = float(text.strip().removesuffix("pt")) / 100
            except ValueError:
                raise InvalidPrompt(f"{where}.{part}", text, "write points of per cent, e.g. 1pt") from None
    return found


def _limits(value: object, where: str) -> dict[str, float]:
    limits = {name: read_share(each, f"{where}.{name}") for name, each in _few(value, where).items()}
    for name, limit in limits.items():
        if not 0 < limit < 1:
            raise InvalidPrompt(f"{where}.{name}", limit, "give a share above 0% and below 100%")
    return limits


def _when_blind(value: object, where: str) -> WhenBlind:
    found = object_of(value, where)
    refuse_unknown(found, (each.name for each in fields(WhenBlind)), where)
    after = found.get("after")
    return WhenBlind(
        after=None if after is None else read_duration(after, f"{where}.after"),
        do=_choice({"do": "hold", **found}, "do", where, get_args(BlindAct)),
    )


def _approvals(value: object, stages: tuple[Stage, ...], where: str) -> tuple[str, ...]:
    weights = [percent(stage.weight) for stage in stages]
    found = []
    for place, each in enumerate(_some(value, where)):
        name = each if each == COMPLETE else percent(read_share(each, f"{where}[{place}]"))
        if name not in (*weights, COMPLETE):
            raise InvalidPrompt(
                f"{where}[{place}]", each, f"name a stage, {', '.join(weights)}, or {COMPLETE}"
            )
        found.append(name)
    return tuple(found)


def _freezes(value: object, where: str) -> tuple[Freeze, ...]:
    found = []
    for place, each in enumerate(_some(value, where)):
        here = f"{where}[{place}]"
        given = object_of(each, here)
        refuse_unknown(given, (one.name for one in fields(Freeze)), here)
        moments = []
        for key in ("begin", "end"):
            try:
                moment = datetime.fromisoformat(str(given.get(key)))
            except ValueError:
                moment = None
            if moment is None or moment.tzinfo is None:
                remedy = "write a time with its zone: 2026-12-23T18:00:00+01:00"
                raise InvalidPrompt(f"{here}.{key}", given.get(key), remedy)
            moments.append(moment)
        if moments[1] <= moments[0]:
            raise InvalidPrompt(f"{here}.end", given["end"], "give a time after `begin`")
        reason = _name(given.get("reason"), f"{here}.reason")
        found.append(Freeze(moments[0].isoformat(), moments[1].isoformat(), reason))
    return tuple(found)


def _notify(value: object, where: str) -> dict[str, str]:
    return {key: _name(each, f"{where}.{key}") for key, each in _few(value, where).items()}


def _environments(found: Mapping[str, Any], where: str) -> tuple[str, ...]:
    names = _names(found, "request_promotion", where)
    for place, each in enumerate(names):
        if each not in ENVIRONMENTS:
            raise InvalidPrompt(
                f"{where}.request_promotion[{place}]", each, f"give one of {', '.join(ENVIRONMENTS)}"
            )
    return names


def _names(found: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    given = _some(found[key], f"{where}.{key}")
    return tuple(dict.fromkeys(_name(each, f"{where}.{key}[{place}]") for place, each in enumerate(given)))


def _kinds(found: Mapping[str, Any], where: str) -> tuple[str, ...]:
    try:
        return required_evidence(_names(found, "requires", where))
    except Invalid as error:
        raise InvalidPrompt(f"{where}.requires", found["requires"], str(error)) from None


def _some(value: object, where: str) -> Sequence[Any]:
    given = list_of(value, where)
    if len(given) > _MOST_ENTRIES:
        raise InvalidPrompt(where, f"{len(given)} of them", f"give at most {_MOST_ENTRIES}")
    return given


def _few(value: object, where: str) -> Mapping[str, Any]:
    given = object_of(value, where)
    _some([*given], where)
    return given


def _at_most(value: int, where: str) -> int:
    if value > _LARGEST:
        raise InvalidPrompt(where, value, f"give at most {_LARGEST}")
    return value


def _name(value: object, where: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= 200:
        return value
    raise InvalidPrompt(where, value, "give a text of 1 to 200 characters")


def _count(found: Mapping[str, Any], key: str, where: str) -> int | None:
    if found[key] is None:
        return None
    return _at_most(integer(found, key, where, at_least=1), f"{where}.{key}")


def _amount(found: Mapping[str, Any], key: str, where: str) -> float | None:
    value = found[key]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST:
        raise InvalidPrompt(f"{where}.{key}", value, f"give an amount above 0, e.g. 50, at most {_LARGEST}")
    return float(value)


def _choice(
    found: Mapping[str, Any], key: str, where: str, known: tuple[str, ...], *, optional: bool = False
) -> Any:  # noqa: ANN401 - a Literal
    value = optional_text(found, key, where)
    if (value is None and optional) or value in known:
        return value
    raise InvalidPrompt(f"{where}.{key}", value, f"give one of {', '.join(known)}")
