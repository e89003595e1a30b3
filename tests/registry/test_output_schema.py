from typing import Any

import pytest
from coalmine_registry.output_schema import schema_changes
from coalmine_registry.semantic_version import largest

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
