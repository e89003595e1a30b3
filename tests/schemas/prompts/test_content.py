"""A content is read whole or refused by name, and its digest says what it is."""

import hashlib
import json
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.prompts import (
    InvalidPrompt,
    InvalidTemplate,
    Message,
    PromptContent,
    Variable,
    check_prompt_name,
    check_version,
    parse_reference,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=3), json_values, max_size=3)
variables = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,8}_x", fullmatch=True),
    st.builds(
        Variable, st.sampled_from(["string", "integer", "array"]), st.booleans(), description=st.text("ab")
    ),
    max_size=3,
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
contents = st.builds(
    PromptContent,
    template=texts,
    variables=variables,
    model=st.none() | st.text("abc-1", min_size=1),
    parameters=objects,
    output_schema=st.none() | objects,
    metadata=objects,
) | st.builds(
    PromptContent,
    messages=st.lists(
        st.builds(Message, st.sampled_from(["system", "user"]), texts), min_size=1, max_size=3
    ).map(tuple),
    variables=variables,
)


@given(contents)
def test_a_content_survives_json_and_keeps_its_digest(content: PromptContent) -> None:
    again = PromptContent.from_json(json.loads(json.dumps(content.to_json())))
    assert again == content
    assert again.digest() == content.digest()
    assert re.fullmatch("sha256:[0-9a-f]{64}", content.digest())


def test_the_digest_does_not_depend_on_the_order_of_keys_but_on_everything_else() -> None:
    one = PromptContent(template="a", parameters={"x": 1, "y": 2})
    assert one.digest() == PromptContent(template="a", parameters={"y": 2, "x": 1}).digest()
    others = [
        PromptContent(template="b", parameters={"x": 1, "y": 2}),
        PromptContent(template="a", parameters={"x": 1, "y": 3}),
        PromptContent(template="a", parameters={"x": 1, "y": 2}, model="m"),
        PromptContent(template="a", parameters={"x": 1, "y": 2}, output_schema={}),
        PromptContent(messages=(Message("user", "a"),), parameters={"x": 1, "y": 2}),
    ]
    assert len({each.digest() for each in [one, *others]}) == 6


def test_the_digest_is_that_of_the_canonical_json() -> None:
    content = PromptContent(
        template="Hello {{ name }} é", variables={"name": Variable()}, parameters={"temperature": 0.2}
    )
    written = (
        '{"parameters":{"temperature":0.2},"template":"Hello {{ name }} é",'
        '"variables":{"name":{"type":"string"}}}'
    )
    assert content.digest() == f"sha256:{hashlib.sha256(written.encode()).hexdigest()}"


@pytest.mark.parametrize(
    ("value", "field", "says"),
    [
        ([], "content", "mapping"),
        ({}, "template", "either one template"),
        (
            {"template": "a", "messages": [{"role": "user", "template": "b"}]},
            "template",
            "either one template",
        ),
        ({"template": 3}, "template", "give a text"),
        ({"templat": "a"}, "a key", "did you mean template"),
        ({"messages": [{"role": "user"}]}, "messages[0].template", "give a text"),
        ({"messages": [{"role": "U S", "template": "a"}]}, "messages[0].role", "give a role"),
        ({"messages": [{"role": "user", "template": "a", "name": "x"}]}, "a key of messages[0]", "known are"),
        ({"template": "a", "variables": {"loop": {}}}, "the name of a variable", "no word"),
        ({"template": "a", "variables": {"_x": {}}}, "the name of a variable", "begin with a letter"),
        ({"template": "a", "variables": {"x": {"type": "text"}}}, "variables.x.type", "give one of string"),
        ({"template": "a", "variables": {"x": {"default": 3}}}, "variables.x.default", "of type string"),
        (
            {"template": "a", "variables": {"x": {"require": 3}}},
            "a key of variables.x",
            "did you mean required",
        ),
        ({"template": "a", "variables": {"x": {"required": "no"}}}, "variables.x.required", "true or false"),
        ({"template": "a", "model": ""}, "model", "name of a model"),
        ({"template": "a", "parameters": {"t": float("nan")}}, "parameters.t", "finite"),
        ({"template": "a", "metadata": {"t": {1: 2}}}, "a key of metadata.t", "keys are text"),
        ({"template": "a", "metadata": [1]}, "metadata", "mapping"),
        ({"template": "a\ud800"}, "template", "surrogate"),
        ({"template": "a" * 300_000}, "template", "at most"),
    ],
)
def test_what_cannot_be_taken_is_named(value: Any, field: str, says: str) -> None:
    with pytest.raises(InvalidPrompt, match=re.escape(says)) as caught:
        PromptContent.from_json(value)
    assert caught.value.field == field
    assert len(str(caught.value)) < 400
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), vars(copy), type(copy)) == (str(caught.value), vars(caught.value), type(caught.value))


def test_an_error_says_in_which_prompt() -> None:
    with pytest.raises(InvalidPrompt) as caught:
        PromptContent.from_json({"template": "a", "variables": {"x": {"type": "text"}}}, "contents.a@1.0.0")
    assert caught.value.field == "contents.a@1.0.0.variables.x.type"
    with pytest.raises(InvalidPrompt) as caught:
        PromptContent.from_json({"template": "a", "model": ""}, "contents.a@1.0.0")
    assert caught.value.field == "contents.a@1.0.0.model"


def test_deep_nesting_is_refused_and_not_followed() -> None:
    value: Any = 1
    for _ in range(10_000):
        value = [value]
    with pytest.raises(InvalidPrompt, match="nests deeper"):
        PromptContent(template="a", metadata={"x": value})


def test_a_variable_with_a_default_is_not_required() -> None:
    assert not Variable(default="x").required
    assert Variable.from_json({"default": "x"}, "v").to_json() == {"type": "string", "default": "x"}


def test_includes_are_found_wherever_they_stand() -> None:
    chat = PromptContent(
        messages=(
            Message("system", '{% include "style@1.2.0" %}{# {% include "not@1.0.0" %} #}'),
            Message(
                "user",
                '{% if x %}{% include "tone@2.0.0-rc.1" %}{% endif %}{% include "style@1.2.0" %} include',
            ),
        )
    )
    assert chat.includes() == ("style@1.2.0", "tone@2.0.0-rc.1")
    assert PromptContent(template="we include nothing").includes() == ()


@pytest.mark.parametrize(
    "source",
    [
        "{% include name %}",
        '{% include "style" %}',
        '{% include "style@1" %}',
        '{% include "style@latest" %}',
        '{% include "Style@1.0.0" %}',
        '{% include ["a@1.0.0", "b@1.0.0"] %}',
        '{% include "a@1.0.0" ignore missing %}',
        '{% include "a@1.0.0" without context %}',
        '{% include "../secrets@1.0.0" %}',
        '{% include "a@1.0.0" ',
    ],
)
def test_an_include_that_is_not_pinned_is_refused(source: str) -> None:
    with pytest.raises(InvalidTemplate):
        PromptContent(template=source).includes()


@pytest.mark.parametrize(
    "version", ["0.0.0", "1.10.0", "1.0.0-rc.1", "1.0.0-0a", "1.0.0+build.5", "1.2.3-a.b+c"]
)
def test_versions_are_semantic(version: str) -> None:
    assert check_version(version) == version
    assert parse_reference(f"a@{version}") == ("a", version)


@pytest.mark.parametrize(
    "version",
    [
        "",
        "1",
        "1.0",
        "01.0.0",
        "1.0.0-01",
        "v1.0.0",
        "1.0.0\n",
        "1.0.0-",
        "latest",
        "\u0661.0.0",
        "1.0." + "1" * 200,
        None,
    ],
)
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises(InvalidPrompt, match="Semantic"):
        check_version(version)


@pytest.mark.parametrize("name", ["a", "0", "support-refund", "a.b_c-d", "a" * 100])
def test_names(name: str) -> None:
    assert check_prompt_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "-a", ".a", "a b", "a/b", "a" * 101, "a\n", "é", None, "a@1.0.0"])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidPrompt, match="begin with"):
        check_prompt_name(name)
