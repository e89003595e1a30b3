"""Reads the configuration of alerts, and names every mistake in it with its place and its remedy."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from datetime import date, timedelta
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from coalmine_alerts.configuration.records import (
    Configuration,
    ConfiguredRule,
)
from coalmine_alerts.delivery.addresses import networks
from coalmine_alerts.delivery.channels import CHANNEL_ID, KINDS, ChannelSettings, is_url
from coalmine_alerts.reading.traffic import BAD_REQUESTS
from coalmine_alerts.results.alerts import Care, Severity, Tier
from coalmine_alerts.results.spending import Period
from coalmine_alerts.rules.defaults import DEFAULT_RULES
from coalmine_alerts.rules.models import Deprecation, shipped_deprecations
from coalmine_alerts.rules.money import Budget
from coalmine_alerts.timing import Timing
from coalmine_registry.prompt_files.front_matter import read_front_matter
from coalmine_registry.records import ENVIRONMENTS
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.mistakes import Mistakes
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of, refuse_unknown, text
from coalmine_schemas.quantities import read_duration, read_share, seconds

Value = TypeVar("Value")

_SECTIONS: Final = ("channels", "route", "rules", "prompts", "budgets", "models")
SHARES: Final = ("share", "free")
"""Thresholds whose names end so are shares, which may be written in per cent."""
NOT_SET: Final = ("name", "metrics", "others", "budgets", "models")
"""Fields of rules that are no thresholds."""
_OF_ALL_RULES: Final = ("on", "severity", "for", "keep_firing_for")
_FILE: Final = "alerts.yaml"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST: Final = 1_000
"""Entries of a section."""
_LONGEST: Final = 1_000


def read_configuration(source: str) -> Configuration:
    """Reads the text of `alerts.yaml`.

    Raises:
        InvalidFile: It has mistakes; all of them are named.
    """
    mistakes = Mistakes()
    found: Mapping[str, Any] = {}
    try:
        found = read_front_matter(source)
        refuse_unknown(found, _SECTIONS, "")
    except InvalidPrompt as mistake:
        mistakes.note(str(mistake).replace("front matter", _FILE, 1))
    channels = _each(found, "channels", _channel, mistakes)
    names = tuple(channels)
    route = _each(
        found, "route", lambda _, value, where: _some(value, where, names), mistakes, get_args(Severity)
    )
    cares = _each(found, "prompts", lambda _, value, where: _care(value, where, names), mistakes)
    budgets = _each(found, "budgets", _budget, mistakes)
    ends: list[Deprecation] = []
    with mistakes.noted():
        for place, each in enumerate(_few(list_of(found.get("models") or (), "models"), "models")):
            with mistakes.noted():
                ends += _deprecations(each, f"models[{place}]")
    given: Mapping[str, Any] = {}
    with mistakes.noted():
        given = object_of(found.get("rules") or {}, "rules")
        for name in given:
            if name not in DEFAULT_RULES:
                near = nearest(name, DEFAULT_RULES)
                remedy = f"did you mean {near}?" if near else f"rules are {', '.join(DEFAULT_RULES)}"
                mistakes.note(InvalidPrompt("a key of rules", name, remedy))
    rules = []
    for name, rule in DEFAULT_RULES.items():
        with mistakes.noted():
            with_lists = _with_lists(rule, tuple(budgets.values()), ends)
            made = _rule(with_lists, given.get(name), f"rules.{name}", cares, rule.timing)
            if made is not None:
                rules.append(made)
    mistakes.tell()
    return Configuration(rules=tuple(rules), channels=tuple(channels.values()), route=route, prompts=cares)


def rule_with(rule: ConfiguredRule, settings: Mapping[str, str]) -> ConfiguredRule:
    """Returns a rule with other thresholds.

    Args:
        rule: As it is configured.
        settings: By name, as texts that could stand in the file.

    Raises:
        InvalidPrompt: There is no such threshold, or its value is not valid.
    """
    given = {}
    for name, value in settings.items():
        try:
            given[name] = read_front_matter(f"value: {value}")["value"]
        except InvalidPrompt as mistake:
            raise InvalidPrompt(f"{rule.name}.{name}", value, mistake.remedy) from None
    made = _rule(rule.rule, {**given, "on": True}, rule.name, rule.cares, rule.timing)
    assert made is not None
    return replace(made, severity=made.severity or rule.severity)


def _each(
    found: Mapping[str, Any],
    section: str,
    read: Callable[[str, object, str], Value],
    mistakes: Mistakes,
    known: Sequence[str] | None = None,
) -> dict[Any, Value]:
    """Reads each entry of a section by itself."""
    read_ones: dict[str, Value] = {}
    with mistakes.noted():
        entries = object_of(found.get(section) or {}, section)
        _few(list(entries), section)
        if known is not None:
            refuse_unknown(entries, known, section)
        for name, value in entries.items():
            with mistakes.noted():
                read_ones[_short(name, f"a key of {section}")] = read(name, value, f"{section}.{name}")
    return read_ones


def _channel(name: str, value: object, where: str) -> ChannelSettings:
    given = dict(object_of(value, where))
    kind = given.pop("kind", None)
    made = KINDS.get(kind) if isinstance(kind, str) else None
    if made is None:
        raise InvalidPrompt(f"{where}.kind", kind, f"give one of {', '.join(KINDS)}")
    hints = get_type_hints(made)
    own = [each for each in fields(made) if each.name != "name"]
    refuse_unknown(given, (each.name for each in own), where)
    for each in own:
        if each.name not in given and each.default is MISSING:
            raise InvalidPrompt(f"{where}.{each.name}", None, f"a channel of kind {kind} needs it")
    values = {key: _typed(each, hints[key], f"{where}.{key}") for key, each in given.items()}
    if not _VARIABLE.fullmatch(values.get("secret", "A")):
        # Never shown: it most likely is the secret itself.
        raise InvalidPrompt(
            f"{where}.secret", "***", "give the name of the environment variable that holds the secret"
        )
    if "url" in values and not is_url(values["url"]):
        raise InvalidPrompt(f"{where}.url", values["url"], "give a URL that begins with https://")
    if kind == "slack_bot" and not CHANNEL_ID.fullmatch(values["channel"]):
        raise InvalidPrompt(
            f"{where}.channel", values["channel"], "copy the id from the channel's details, e.g. C0123456789"
        )
    for at, each in enumerate(values.get("allowed_networks", ())):
        try:
            networks([each])
        except InvalidParameter:
            raise InvalidPrompt(f"{where}.allowed_networks[{at}]", each, "write 10.1.0.0/16") from None
    if values.get("texts") == "redacted" and not values.get("private"):
        raise InvalidPrompt(
            f"{where}.texts",
            "redacted",
            "texts go to private channels only: say `private: true` if it is one",
        )
    return made(name=name, **values)


def _care(value: object, where: str, channels: Sequence[str]) -> Care:
    found = object_of(value, where)
    refuse_unknown(found, (each.name for each in fields(Care)), where)
    runbook = _optional(found, "runbook", where)
    if runbook is not None and not runbook.startswith(("https://", "http://")):
        raise InvalidPrompt(f"{where}.runbook", runbook, "give a URL that begins with https://")
    return Care(
        owner=_optional(found, "owner", where),
        channels=_channels(found.get("channels", ()), f"{where}.channels", channels),
        runbook=runbook,
        tier=_choice(found.get("tier", "standard"), f"{where}.tier", get_args(Tier)),
    )


def _channels(value: object, where: str, known: Sequence[str]) -> tuple[str, ...]:
    names = [_choice(each, f"{where}[{place}]", known) for place, each in enumerate(list_of(value, where))]
    return tuple(names)


def _some(value: object, where: str, known: Sequence[str]) -> tuple[str, ...]:
    if names := _channels(value, where, known):
        return names
    raise InvalidPrompt(where, value, "name a channel, or leave it out: all channels are told then")


def _budget(name: str, value: object, where: str) -> Budget:
    found = object_of(value, where)
    refuse_unknown(found, (each.name for each in fields(Budget) if each.name != "name"), where)
    environment = _optional(found, "environment", where)
    if environment is not None:
        _choice(environment, f"{where}.environment", ENVIRONMENTS)
    return Budget(
        name=name,
        usd=_number(found.get("usd"), f"{where}.usd", "give an amount in US dollars above 0, e.g. 2000"),
        period=_choice(found.get("period", "month"), f"{where}.period", get_args(Period)),
        environment=environment,
        prompt=_optional(found, "prompt", where),
        app=_optional(found, "app", where),
        hard_cap=_typed(found.get("hard_cap", False), bool, f"{where}.hard_cap"),
        owner=_optional(found, "owner", where),
    )


def _deprecations(value: object, where: str) -> list[Deprecation]:
    found = object_of(value, where)
    refuse_unknown(found, ("names", "ends", "provider", "replacement"), where)
    names = _typed(found.get("names"), tuple[str, ...], f"{where}.names")
    try:
        ends = date.fromisoformat(str(found.get("ends")))
    except ValueError:
        raise InvalidPrompt(f"{where}.ends", found.get("ends"), "write a day such as 2027-01-14") from None
    provider, replacement = (_optional(found, key, where) for key in ("provider", "replacement"))
    return [Deprecation(name, ends, provider, replacement) for name in names]


def _with_lists(rule: Any, budgets: tuple[Budget, ...], ends: Sequence[Deprecation]) -> Any:  # noqa: ANN401
    known = {each.name for each in fields(rule)}
    if "budgets" in known:
        return replace(rule, budgets=budgets)
    if "models" in known and ends:
        own = {each.model for each in ends}
        shipped = [each for each in shipped_deprecations() if each.model not in own]
        return replace(rule, models=(*shipped, *ends))
    return rule


def _rule(
    rule: Any,  # noqa: ANN401 - any of the default rules
    value: object,
    where: str,
    cares: Mapping[str, Care],
    timing: Timing,
) -> ConfiguredRule | None:
    """The rule with its thresholds; None if it is off."""
    given = dict(object_of({} if value is None else value, where))
    thresholds = [each.name for each in fields(rule) if each.name not in NOT_SET]
    refuse_unknown(given, (*_OF_ALL_RULES, *thresholds), where)
    on = _typed(given.pop("on", rule.on), bool, f"{where}.on")
    severity = given.pop("severity", None)
    if severity is not None:
        severity = _choice(severity, f"{where}.severity", get_args(Severity))
    for key, name in (("for", "for_"), ("keep_firing_for", "keep_firing_for")):
        if key in given:
            changed: dict[str, Any] = {name: _duration(given.pop(key), f"{where}.{key}")}
            timing = replace(timing, **changed)
    hints = get_type_hints(type(rule))
    values = {
        key: _limits(each, f"{where}.{key}")
        if key == "limits"
        else _typed(each, hints[key], f"{where}.{key}", is_share=key.endswith(SHARES))
        for key, each in given.items()
    }
    rule = replace(rule, **values) if values else rule
    return ConfiguredRule(rule=rule, timing=timing, severity=severity, cares=cares) if on else None


def _limits(value: object, where: str) -> dict[str, float]:
    found = object_of(value, where)
    refuse_unknown(found, BAD_REQUESTS, where)
    limits = {name: read_share(each, f"{where}.{name}") for name, each in found.items()}
    for name, limit in limits.items():
        if not 0 < limit < 1:
            raise InvalidPrompt(f"{where}.{name}", limit, "give a share above 0% and below 100%")
    return limits


def _typed(value: object, hint: Any, where: str, *, is_share: bool = False) -> Any:  # noqa: ANN401
    """A value of the type that a field has."""
    match get_origin(hint) or hint:
        case origin if origin is Literal:
            return _choice(value, where, get_args(hint))
        case origin if origin is tuple:
            items = _few(list_of(value, where), where)
            return tuple(_typed(each, get_args(hint)[0], f"{where}[{at}]") for at, each in enumerate(items))
        case origin if origin is float and is_share:
            return read_share(value, where)
        case origin:
            return _READ.get(origin, _short)(value, where)


def _bool(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidPrompt(where, value, "give true or false")


def _integer(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise InvalidPrompt(where, value, "give an integer of at least 0")


def _number(value: object, where: str, remedy: str = "give a number above 0") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        raise InvalidPrompt(where, value, remedy)
    return float(value)


def _duration(value: object, where: str) -> timedelta:
    return timedelta(seconds=seconds(read_duration(value, where)))


def _some_time(value: object, where: str) -> timedelta:
    if not (length := _duration(value, where)):
        raise InvalidPrompt(where, value, "give a duration above 0")
    return length


def _choice(value: object, where: str, known: Sequence[str]) -> Any:  # noqa: ANN401 - a Literal
    if value in known:
        return value
    near = nearest(str(value), known)
    remedy = (
        f"did you mean {near}?" if near else f"give one of {', '.join(known) or 'none: there is none yet'}"
    )
    raise InvalidPrompt(where, value, remedy)


def _optional(found: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if found.get(key) is None else _short(text(found, key, where), f"{where}.{key}")


def _short(value: object, where: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable():
        return value
    raise InvalidPrompt(where, value, f"give a text of 1 to {_LONGEST} printable characters")


def _few(value: Sequence[Any], where: str) -> Sequence[Any]:
    if len(value) > _MOST:
        raise InvalidPrompt(where, f"{len(value)} of them", f"give at most {_MOST}")
    return value


_READ: Final[Mapping[type, Callable[[object, str], Any]]] = {
    bool: _bool,
    int: _integer,
    float: _number,
    timedelta: _some_time,
}
