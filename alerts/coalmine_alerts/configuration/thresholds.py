"""Thresholds of rules, written as the file has them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta

from coalmine_alerts.configuration.read import NOT_SET, SHARES
from coalmine_alerts.configuration.records import Configuration, ConfiguredRule
from coalmine_alerts.results.rules import KnownRule, Threshold

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def known_rules(configuration: Configuration) -> list[KnownRule]:
    """Returns the rules that are on, with thresholds that `rule_with` reads."""
    return [
        KnownRule(each.name, each.rule.summary, each.severity, tuple(_thresholds(each)))
        for each in configuration.rules
    ]


def _thresholds(configured: ConfiguredRule) -> Iterator[Threshold]:
    rule = configured.rule
    for each in fields(rule):
        if each.name not in NOT_SET:
            yield Threshold(each.name, _text(getattr(rule, each.name), is_share=each.name.endswith(SHARES)))
    yield Threshold("for", _text(configured.timing.for_))
    yield Threshold("keep_firing_for", _text(configured.timing.keep_firing_for))


def _text(value: object, *, is_share: bool = False) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case timedelta():
            return _duration(value)
        case float():
            return f"{value * 100:.6g}%" if is_share else f"{value:.12g}"
        case tuple():
            return f"[{', '.join(_text(each) for each in value)}]"
        case Mapping():
            return f"{{{', '.join(f'{name}: {_text(each, is_share=True)}' for name, each in value.items())}}}"
    return str(value)


def _duration(length: timedelta) -> str:
    left, text = round(length.total_seconds()), ""
    for unit, unit_s in _UNITS.items():
        count, left = divmod(left, unit_s)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
