from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_registry.output_schema import schema_changes
from coalmine_registry.semantic_version import largest
from coalmine_schemas.prompts import canonical_json
from tests.support.campaign import size

_OLD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["yes", "no"]},
        "steps": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["label"],
}


def _with(**changes: Any) -> dict[str, Any]:
    return {**_OLD, **changes}


def _label(**changes: Any) -> dict[str, Any]:
    return _with(properties={**_OLD["properties"], "label": {**_OLD["properties"]["label"], **changes}})


@pytest.mark.parametrize(
    ("new", "level"),
    [
        (_OLD, "none"),
        (_with(description="What was found"), "patch"),
        (_label(title="Verdict"), "patch"),
        (_label(enum=["no", "yes"]), "patch"),
        (_label(enum=["yes"]), "minor"),
        (_label(enum=["yes", "no", "maybe"]), "major"),
        (_label(type="integer"), "major"),
        (_with(type="array"), "major"),
        (_with(required=["label", "steps"]), "minor"),
        (_with(required=[]), "major"),
        (_with(properties={**_OLD["properties"], "why": {"type": "string"}}), "minor"),
        (_with(properties={"label": _OLD["properties"]["label"]}), "major"),
        (_with(additionalProperties=False), "major"),
        (_with(allOf=[{"minProperties": 1}]), "major"),
        (
            _with(properties={**_OLD["properties"], "steps": {"type": "array", "items": {"type": "number"}}}),
            "major",
        ),
        (_with(properties=True), "major"),
        (_with(required="label"), "major"),
    ],
)
def test_readers_of_the_old_schema_decide_which_step_is_needed(new: dict[str, Any], level: str) -> None:
    assert largest(needs for _, needs in schema_changes(_OLD, new)) == level


def test_a_change_says_where_it_is() -> None:
    ((what, needs),) = schema_changes(_OLD, _label(type="integer"))
    assert (what, needs) == ("the output schema.label: type changed", "major")


_KEYS = st.sampled_from(["type", "properties", "required", "enum", "items", "title", "label", "anyOf"])
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["string", "label"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _ANYTHING, max_size=5), st.dictionaries(_KEYS, _ANYTHING, max_size=5))
@settings(max_examples=size(20, 1_000))
def test_schemas_differ_exactly_where_a_change_is_told_whatever_they_say(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    same = canonical_json(old) == canonical_json(new)
    assert (list(schema_changes(old, new)) == []) == same
