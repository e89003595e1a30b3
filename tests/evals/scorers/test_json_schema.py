"""Answers in JSON."""

import resource
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from coalmine_evals.scorers.registry import scorer_of
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.scoring import score, value

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["good", "bad"]}, "share": {"type": "number"}},
    "required": ["label"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ('{"label": "good"}', 1.0),
        ('Here it is:\n```json\n{"label": "good", "share": 0.5}\n```\nDone.', 1.0),
        ('{"label": "ugly"}', 0.0),
        ('{"label": "good", "more": 1}', 0.0),
        ('{"label": "good", "share": NaN}', 0.0),
        ('{"label": "good"} and more', 0.0),
        ("", 0.0),
        ("[" * 50_000, 0.0),
        ("[" * 50_000 + "]" * 50_000, 0.0),
        ("9" * 5_000, 0.0),
    ],
)
def test_an_answer_has_to_be_json_that_follows_the_schema(answer: str, right: float) -> None:
    assert value("json_schema", answer, schema=_SCHEMA) == right


def test_the_schema_may_be_the_cases_own_and_json_in_backticks_may_be_refused() -> None:
    assert value("json_schema", '"x"', {"type": "string"}) == 1.0
    assert value("json_schema", "1", {"type": "string"}) == 0.0
    assert value("json_schema", "```\n1\n```", schema={"type": "integer"}, fenced=False) == 0.0
    assert value("json_schema", "1", {"type": "strin"}) is None
    assert value("json_schema", "[1]", any_json=True) == 1.0
    assert value("json_schema", "[1", any_json=True) == 0.0


def test_mistakes_are_named_with_their_place() -> None:
    found = score("json_schema", '{"label": "ugly", "share": "x"}', schema=_SCHEMA).details["mistakes"]
    assert found == ['label: "ugly" is not one of "good" or "bad"', 'share: "x" is not of type "number"']


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidPrompt, match=r"settings\.schema\.type is "):
        scorer_of("json_schema", {"schema": {"type": "strin"}})
    with pytest.raises(InvalidPrompt, match=r"settings\.schema is .*give a JSON Schema"):
        scorer_of("json_schema", {"schema": "object"})


def test_nothing_is_fetched_that_a_schema_refers_to(httpserver: HTTPServer) -> None:
    with pytest.raises(InvalidPrompt, match=r"settings\.schema"):
        scorer_of("json_schema", {"schema": {"$ref": httpserver.url_for("/schema.json")}})
    assert not httpserver.log


def test_a_pattern_in_a_schema_does_not_take_for_ever() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    value("json_schema", f'"{"a" * 20_000}!"', schema={"pattern": r"^(a+)+(?=b)$"})
    value("json_schema", f'"{"a" * 20_000}!"', schema={"pattern": r"^(a|aa)+\1$"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 20
