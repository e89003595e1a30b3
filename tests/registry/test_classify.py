import pytest

from coalmine_registry.classify import Classification, classify
from coalmine_registry.errors import BumpTooSmall
from coalmine_schemas.prompts import Message, PromptContent, Variable
from tests.support.data.prompt_examples import content

_OLD = content(model="gpt-4o-mini", parameters={"temperature": 0.2}, metadata={"team": "support"})
_VARIABLES = {"question": Variable()}


def _change(**arguments: object) -> PromptContent:
    usual = {"model": "gpt-4o-mini", "parameters": {"temperature": 0.2}, "metadata": {"team": "support"}}
    return content(**{**usual, **arguments})  # type: ignore[arg-type]


def _classified(new: PromptContent, old: PromptContent = _OLD) -> Classification:
    return classify("1.0.0", old, new)


def _chat(*roles: str, text: str = "{{ question }}") -> PromptContent:
    return PromptContent(messages=tuple(Message(role, text) for role in roles), variables=_VARIABLES)


@pytest.mark.parametrize(
    ("new", "level", "reason"),
    [
        (_change(), "none", None),
        (_change(template="Reply: {{ question }}"), "patch", "the wording of template changed: patch"),
        (_change(metadata={"team": "sales"}), "patch", "metadata changed: patch"),
        (
            _change(variables={"question": Variable(description="What they ask")}),
            "patch",
            "the description of variable question changed: patch",
        ),
        (_change(model="gpt-4o"), "minor", "the model became gpt-4o instead of gpt-4o-mini: minor"),
        (
            _change(model="gpt-4o-mini-2024-07-18"),
            "patch",
            "the model became gpt-4o-mini-2024-07-18 instead of gpt-4o-mini: patch",
        ),
        (_change(parameters={"temperature": 0.3}), "minor", "parameter temperature changed: minor"),
        (_change(parameters={}), "minor", "parameter temperature was removed: minor"),
        (
            _change(variables={**_VARIABLES, "tone": Variable(default="kind")}),
            "minor",
            "optional variable tone was added: minor",
        ),
        (
            _change(variables={"question": Variable(required=False)}),
            "minor",
            "variable question became optional: minor",
        ),
        (
            _change(template='{{ question }}{% include "style@1.0.0" %}'),
            "minor",
            "style is included: minor",
        ),
        (
            _change(variables={**_VARIABLES, "order": Variable()}),
            "major",
            "required variable order was added: major",
        ),
        (_change(variables={}, template="Hello"), "major", "variable question was removed: major"),
        (
            _change(variables={"question": Variable(type="object")}),
            "major",
            "variable question became object instead of string: major",
        ),
        (_change(output_schema={"type": "object"}), "major", "the output schema was added: major"),
        (_chat("user"), "major", "the prompt became chat instead of text: major"),
    ],
)
def test_each_change_needs_its_step(new: PromptContent, level: str, reason: str | None) -> None:
    found = _classified(new)
    assert found.level == level
    assert reason is None or reason in [str(each) for each in found.reasons]


@pytest.mark.parametrize(
    ("old", "new", "level"),
    [
        (Variable(type="integer"), Variable(type="number"), "minor"),
        (Variable(type="number"), Variable(type="integer"), "major"),
        (Variable(required=False), Variable(), "major"),
        (Variable(default="a"), Variable(default="b"), "minor"),
        (Variable(default="a"), Variable(required=False), "minor"),
        (Variable(default="a"), Variable(), "major"),
    ],
)
def test_variables_may_only_become_more_lenient_below_a_major(
    old: Variable, new: Variable, level: str
) -> None:
    assert (
        _classified(content(variables={"question": new}), content(variables={"question": old})).level == level
    )


def test_other_messages_are_a_major_change_and_other_words_in_them_a_patch() -> None:
    old = _chat("system", "user")
    assert _classified(_chat("user", "system"), old).level == "major"
    assert _classified(_chat("system", "user", "assistant"), old).level == "major"
    found = _classified(_chat("system", "user", text="Well, {{ question }}"), old)
    assert found.level == "patch"
    assert [each.what for each in found.reasons] == [
        "the wording of messages[0].template changed",
        "the wording of messages[1].template changed",
    ]


@pytest.mark.parametrize(("to", "level"), [("1.2.1", "patch"), ("1.3.0", "minor"), ("2.0.0", "minor")])
def test_an_include_at_another_version_needs_a_step_like_its_own(to: str, level: str) -> None:
    old = content('{{ question }}{% include "style@1.2.0" %}')
    new = content('{{ question }}{% include "style@' + to + '" %}')
    assert _classified(new, old).level == level


def test_variables_of_included_prompts_are_the_callers_to_give_as_well() -> None:
    found = classify("1.0.0", _OLD, _OLD, new_inherited={"brand": Variable()})
    assert [str(each) for each in found.reasons] == ["required variable brand was added: major"]
    assert classify("1.0.0", _OLD, _OLD, old_inherited={"question": Variable(type="array")}).level == "none"


def test_a_smaller_step_is_refused_with_what_needs_which() -> None:
    found = _classified(_change(model="gpt-4o", variables={**_VARIABLES, "order": Variable()}, template="x"))
    with pytest.raises(BumpTooSmall) as caught:
        found.check("1.0.1")
    assert caught.value.reasons == (
        "required variable order was added: major",
        "the model became gpt-4o instead of gpt-4o-mini: minor",
    )
    assert (caught.value.step, caught.value.needed) == ("patch", "major")
    assert "1.0.0 to 1.0.1 is a patch bump" in str(caught.value)
    with pytest.raises(BumpTooSmall) as caught:
        found.check("1.1.0")
    assert caught.value.reasons == ("required variable order was added: major",)
    found.check("2.0.0")


def test_a_larger_step_than_needed_is_fine() -> None:
    _classified(_change()).check("1.0.1")
    _classified(_change(template="Reply: {{ question }}")).check("4.0.0")
