"""Hypothesis strategies for events that keep their rules."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest
from coalmine_schemas.events import EventName
from coalmine_schemas.limits import MAX_NUMBER
from coalmine_schemas.rules import RULES, Instant, Items, Length, Number, Uuid

_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


@cache
def plain_records(event: EventName) -> st.SearchStrategy[dict[str, Any]]:
    """Valid events, times as microseconds."""
    rules = {rule.field: rule for rule in RULES[event]}
    return st.fixed_dictionaries(
        {
            member["name"]: _values(member["type"], rules.get(member["name"]))
            for member in latest(event).parsed["fields"]
        }
    )


def _values(node: Any, rule: Any) -> st.SearchStrategy[Any]:
    if isinstance(node, list):
        return st.one_of(*(_values(branch, rule) for branch in node))
    if isinstance(rule, Uuid) and node != "null":
        return st.uuids().map(str)
    kind = node["type"] if isinstance(node, dict) else node
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind in _RANGES:
        low, high = _RANGES[kind]
        if isinstance(rule, Instant):
            low, high = rule.bounds_us
        if isinstance(rule, Number):
            low, high = int(max(low, rule.low)), int(min(high, rule.high))
        return st.integers(low, high)
    if kind == "double":
        bounds = (rule.low, rule.high) if isinstance(rule, Number) else (-MAX_NUMBER, MAX_NUMBER)
        return st.floats(*bounds, allow_nan=False, allow_infinity=False)
    if kind == "enum":
        return st.sampled_from(node["symbols"])
    if kind == "map":
        return st.dictionaries(_TEXT, _values(node["values"], None), max_size=5)
    if kind == "array":
        return st.lists(_values(node["items"], rule), max_size=3)
    if kind == "record":
        rules = {inner.field: inner for inner in rule.rules} if isinstance(rule, Items) else {}
        members = {m["name"]: _values(m["type"], rules.get(m["name"])) for m in node["fields"]}
        return st.fixed_dictionaries(members)
    if kind == "bytes":
        return st.binary(max_size=30)
    return _TEXT.filter(bool) if isinstance(rule, Length) and rule.least else _TEXT
