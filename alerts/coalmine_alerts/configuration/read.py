"""Reads the configuration of alerts, and names every mistake in it with its place and its remedy."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from datetime import date, time, timedelta
from functools import partial
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coalmine_alerts.configuration.records import (
    Configuration,
    ConfiguredRule,
)
from coalmine_alerts.delivery.addresses import networks
from coalmine_alerts.delivery.channels import CHANNEL_ID, KINDS, ChannelSettings, is_url
from coalmine_alerts.grouping import DEFAULT_DIGEST, DigestTime, Weekday
from coalmine_alerts.reading.traffic import BAD_REQUESTS
from coalmine_alerts.results.alerts import Care, Severity, Tier
from coalmine_alerts.results.spending import Period
from coalmine_alerts.rules.defaults import DEFAULT_RULES
from coalmine_alerts.rules.models import Deprecation, shipped_deprecations
from coalmine_alerts.rules.money import Budget
from coalmine_alerts.timing import Timing
from coalmine_registry.records import ENVIRONMENTS
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.mistakes import Mistakes
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of, refuse_unknown, text
from coalmine_schemas.quantities import read_duration, read_share, seconds

Value = TypeVar("Value")

_SECTIONS: Final = ("channels", "route", "rules", "prompts", "budgets", "models", "digest")
SHARES: Final = ("share", "free")
"""Thresholds whose names end so are shares, which may be written in per cent."""
NOT_SET: Final = ("name", "metrics", "others", "budgets", "models")
"""Fields of rules that are no thresholds."""
_OF_ALL_RULES: Final = ("on", "severity", "for", "keep_firing_for")
_FILE: Final = "alerts.yaml"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CLOCK: Final = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")
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
    except InvalidPrompt as mistake:
        mistakes.note(str(mistake).replace("front matter", _FILE, 1))
    with mistakes.noted():
        _refuse_unknown(found, _SECTIONS, "")
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
    digest = DEFAULT_DIGEST
    with mistakes.noted():
        digest = _digest(found.get("digest") or {}, "digest")
    mistakes.tell()
    return Configuration(
        rules=tuple(rules),
        channels=tuple(channels.values()),
        route=route,
        prompts=cares,
        budgets=tuple(budgets.values()),
        digest=digest,
    )


def rule_with(rule: ConfiguredRule, settings: Mapping[str, str]) -> ConfiguredRule:
    """Returns a rule with other thresholds.

    Args:
        rule: As it is configured.
        settings: By name, as texts that could stand in the file.

    Raises:
        InvalidParameter: There is no such threshold, or a value is not valid.
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
            with mistakes.noted():
                _refuse_unknown(entries, known, section)
            entries = {name: value for name, value in entries.items() if name in known}
        for name, value in entries.items():
            with mistakes.noted():
                read_ones[_short(name, f"a key of {section}")] = read(name, value, f"{section}.{name}")
    return read_ones


def _all(reads: Mapping[Any, Callable[[], Any]]) -> dict[Any, Any]:
    """Reads several values.

    Raises:
        InvalidFile: Some have mistakes; all are named.
    """
    mistakes, found = Mistakes(), {}
    for name, read in reads.items():
        with mistakes.noted():
            found[name] = read()
    mistakes.tell()
    return found


def _refuse_unknown(found: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Names every key that is not known."""
    names = tuple(known)
    _all({key: partial(refuse_unknown, {key: None}, names, where) for key in found})


def _channel(name: str, value: object, where: str) -> ChannelSettings:
    given = dict(object_of(value, where))
    kind = given.pop("kind", None)
    made = KINDS.get(kind) if isinstance(kind, str) else None
    if made is None:
        raise InvalidPrompt(f"{where}.kind", kind, f"give one of {', '.join(KINDS)}")
    hints = get_type_hints(made)
    own = {each.name: each for each in fields(made) if each.name != "name"}
    mistakes = Mistakes()
    with mistakes.noted():
        _refuse_unknown(given, own, where)
    for each in own.values():
        if each.name not in given and each.default is MISSING:
            with mistakes.noted():
                raise InvalidPrompt(f"{where}.{each.name}", None, f"a channel of kind {kind} needs it")
    values: dict[str, Any] = {}
    for key in [each for each in own if each in given]:
        with mistakes.noted():
            values[key] = _setting(key, _typed(given[key], hints[key], f"{where}.{key}"), where, kind)
    if values.get("texts") == "redacted" and not values.get("private"):
        with mistakes.noted():
            raise InvalidPrompt(
                f"{where}.texts",
                "redacted",
                "texts go to private channels only: say `private: true` if it is one",
            )
    mistakes.tell()
    return made(name=name, **values)


def _setting(key: str, value: Any, where: str, kind: object) -> Any:  # noqa: ANN401
    """A setting of a channel, which may be of the right type and still be wrong."""
    if key == "secret" and not _VARIABLE.fullmatch(value):
        # Never shown: it most likely is the secret itself.
        remedy = "give the name of the environment variable that holds the secret"
        raise InvalidPrompt(f"{where}.secret", "***", remedy)
    if key == "url" and not is_url(value):
        raise InvalidPrompt(f"{where}.url", value, "give a URL that begins with https://")
    if key == "channel" and kind == "slack_bot" and not CHANNEL_ID.fullmatch(value):
        remedy = "copy the id from the channel's details, e.g. C0123456789"
        raise InvalidPrompt(f"{where}.channel", value, remedy)
    if key == "allowed_networks":
        _all({each: partial(_network, each, f"{where}.{key}[{at}]") for at, each in enumerate(value)})
    return value


def _network(value: str, where: str) -> None:
    try:
        networks([value])
    except InvalidParameter:
        raise InvalidPrompt(where, value, "write 10.1.0.0/16") from None


def _care(value: object, where: str, channels: Sequence[str]) -> Care:
    found = object_of(value, where)
    mistakes = Mistakes()
    with mistakes.noted():
        _refuse_unknown(found, (each.name for each in fields(Care)), where)
    values: dict[str, Any] = {}
    with mistakes.noted():
        values = _all(
            {
                "owner": lambda: _optional(found, "owner", where),
                "channels": lambda: _channels(found.get("channels", ()), f"{where}.channels", channels),
                "runbook": lambda: _address(_optional(found, "runbook", where), f"{where}.runbook"),
                "tier": lambda: _choice(found.get("tier", "standard"), f"{where}.tier", get_args(Tier)),
            }
        )
    mistakes.tell()
    return Care(**values)


def _address(value: str | None, where: str) -> str | None:
    if value is None or value.startswith(("https://", "http://")):
        return value
    raise InvalidPrompt(where, value, "give a URL that begins with https://")


def _channels(value: object, where: str, known: Sequence[str]) -> tuple[str, ...]:
    names = enumerate(list_of(value, where))
    return tuple(_all({at: partial(_choice, each, f"{where}[{at}]", known) for at, each in names}).values())


def _some(value: object, where: str, known: Sequence[str]) -> tuple[str, ...]:
    if names := _channels(value, where, known):
        return names
    raise InvalidPrompt(where, value, "name a channel, or leave it out: all channels are told then")


def _budget(name: str, value: object, where: str) -> Budget:
    found = object_of(value, where)
    mistakes = Mistakes()
    with mistakes.noted():
        _refuse_unknown(found, (each.name for each in fields(Budget) if each.name != "name"), where)
    amount = "give an amount in US dollars above 0, e.g. 2000"
    values: dict[str, Any] = {}
    with mistakes.noted():
        values = _all(
            {
                "usd": lambda: _number(found.get("usd"), f"{where}.usd", amount),
                "period": lambda: _choice(found.get("period", "month"), f"{where}.period", get_args(Period)),
                "environment": lambda: _environment(found, where),
                "prompt": lambda: _optional(found, "prompt", where),
                "app": lambda: _optional(found, "app", where),
                "hard_cap": lambda: _typed(found.get("hard_cap", False), bool, f"{where}.hard_cap"),
                "owner": lambda: _optional(found, "owner", where),
            }
        )
    mistakes.tell()
    return Budget(name=name, **values)


def _environment(found: Mapping[str, Any], where: str) -> str | None:
    named = _optional(found, "environment", where)
    return None if named is None else _choice(named, f"{where}.environment", ENVIRONMENTS)


def _deprecations(value: object, where: str) -> list[Deprecation]:
    found = object_of(value, where)
    mistakes = Mistakes()
    with mistakes.noted():
        _refuse_unknown(found, ("names", "ends", "provider", "replacement"), where)
    values: dict[str, Any] = {}
    with mistakes.noted():
        values = _all(
            {
                "names": lambda: _typed(found.get("names"), tuple[str, ...], f"{where}.names"),
                "ends": lambda: _day(found.get("ends"), f"{where}.ends"),
                "provider": lambda: _optional(found, "provider", where),
                "replacement": lambda: _optional(found, "replacement", where),
            }
        )
    mistakes.tell()
    return [
        Deprecation(name, values["ends"], values["provider"], values["replacement"])
        for name in values["names"]
    ]


def _day(value: object, where: str) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise InvalidPrompt(where, value, "write a day such as 2027-01-14") from None


def _digest(value: object, where: str) -> DigestTime:
    found = object_of(value, where)
    mistakes = Mistakes()
    with mistakes.noted():
        _refuse_unknown(found, (each.name for each in fields(DigestTime)), where)
    reads: dict[str, Callable[[], Any]] = {
        "at": lambda: _time_of_day(found["at"], f"{where}.at"),
        "time_zone": lambda: _zone(found["time_zone"], f"{where}.time_zone"),
        "weekday": lambda: _choice(found["weekday"], f"{where}.weekday", get_args(Weekday)),
    }
    values: dict[str, Any] = {}
    with mistakes.noted():
        values = _all({key: read for key, read in reads.items() if key in found})
    mistakes.tell()
    return DigestTime(**values)


def _time_of_day(value: object, where: str) -> time:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(value)
    raise InvalidPrompt(where, value, 'give a time of day in quotes, such as "09:00"')


def _zone(value: object, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(_short(value, where))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidPrompt(where, value, "give a time zone by its name, such as Europe/Berlin") from None


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
    mistakes = Mistakes()
    with mistakes.noted():
        _refuse_unknown(given, (*_OF_ALL_RULES, *thresholds), where)
    reads: dict[str, Callable[[], Any]] = {
        "on": lambda: _typed(given.get("on", rule.on), bool, f"{where}.on"),
        "severity": lambda: (
            None
            if given.get("severity") is None
            else _choice(given["severity"], f"{where}.severity", get_args(Severity))
        ),
    }
    for key in ("for", "keep_firing_for"):
        if key in given:
            reads[key] = partial(_duration, given[key], f"{where}.{key}")
    hints = get_type_hints(type(rule))
    for key in thresholds:
        if key in given:
            reads[key] = (
                partial(_limits, given[key], f"{where}.{key}")
                if key == "limits"
                else partial(_typed, given[key], hints[key], f"{where}.{key}", is_share=key.endswith(SHARES))
            )
    values: dict[str, Any] = {}
    with mistakes.noted():
        values = _all(reads)
    mistakes.tell()
    on, severity = values.pop("on"), values.pop("severity")
    for key, name in (("for", "for_"), ("keep_firing_for", "keep_firing_for")):
        if key in values:
            changed: dict[str, Any] = {name: values.pop(key)}
            timing = replace(timing, **changed)
    rule = replace(rule, **values) if values else rule
    return ConfiguredRule(rule=rule, timing=timing, severity=severity, cares=cares) if on else None


def _limits(value: object, where: str) -> dict[str, float]:
    found = object_of(value, where)
    mistakes, limits = Mistakes(), dict[str, float]()
    with mistakes.noted():
        _refuse_unknown(found, BAD_REQUESTS, where)
    known = {name: partial(_limit, found[name], f"{where}.{name}") for name in BAD_REQUESTS if name in found}
    with mistakes.noted():
        limits = _all(known)
    mistakes.tell()
    return limits


def _limit(value: object, where: str) -> float:
    limit = read_share(value, where)
    if not 0 < limit < 1:
        raise InvalidPrompt(where, limit, "give a share above 0% and below 100%")
    return limit


def _typed(value: object, hint: Any, where: str, *, is_share: bool = False) -> Any:  # noqa: ANN401
    """A value of the type that a field has."""
    match get_origin(hint) or hint:
        case origin if origin is Literal:
            return _choice(value, where, get_args(hint))
        case origin if origin is tuple:
            items = _few(list_of(value, where), where)
            one = get_args(hint)[0]
            reads = {at: partial(_typed, each, one, f"{where}[{at}]") for at, each in enumerate(items)}
            return tuple(_all(reads).values())
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
