"""Prompts as text files: whatever is written is read back, and mistakes are named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_registry.prompt_files.markdown import format_prompt, parse_prompt
from coalmine_schemas.prompts.content import Message, PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.variables import Variable
from tests.support.repository.markdown import blocks
from tests.support.repository.tree import ROOT

TEXT = """\
---
model: gpt-4o-mini
parameters:
  temperature: 0.2
variables:
  question: string
  tone: {type: string, default: friendly}
metadata:
  reviewed: 2026-01-31
---
Answer in a {{ tone }} tone:

{{ question }}
"""

CHAT = """\
---
variables: {question: string}
---
<|system|>
You are kind.
<|user|>
{{ question }}
"""


def test_a_text_prompt_is_front_matter_and_a_template() -> None:
    assert parse_prompt(TEXT) == PromptContent(
        template="Answer in a {{ tone }} tone:\n\n{{ question }}",
        variables={"question": Variable(), "tone": Variable(default="friendly")},
        model="gpt-4o-mini",
        parameters={"temperature": 0.2},
        metadata={"reviewed": "2026-01-31"},
    )


def test_a_chat_prompt_has_a_part_for_each_message() -> None:
    assert parse_prompt(CHAT) == PromptContent(
        messages=(Message("system", "You are kind."), Message("user", "{{ question }}")),
        variables={"question": Variable()},
    )


def test_a_file_without_front_matter_is_a_template() -> None:
    assert parse_prompt("Say hello.\n") == PromptContent(template="Say hello.")
    assert parse_prompt("\ufeffSay hello.\r\nTwice.") == PromptContent(template="Say hello.\nTwice.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("---\nmodel: x\n", "front matter is 'open'"),
        ("---\nmodle: x\n---\n", "modle"),
        ("---\nmodel: x\nmodel: y\n---\n", "each name once"),
        ("---\n- a\n---\n", "names and values"),
        ("---\nparameters: {1: x}\n---\n", "in quotes"),
        ("---\nmodel: [\n---\n", "write YAML"),
        ("---\nmodel: !!python/name:os.system\n---\n", "write YAML"),
        ("---\nparameters: {temperature: .nan}\n---\n", "parameters"),
        ("---\nvariables: {question: text}\n---\n", "variables.question.type is 'text'"),
        ("hello\n<|user|>\nhi\n", "before the first message"),
    ],
)
def test_a_mistake_is_named(text: str, told: str) -> None:
    with pytest.raises(InvalidPrompt, match="(?s)" + told.replace("[", r"\[")):
        parse_prompt(text)


def test_the_files_that_the_documents_show_are_prompts() -> None:
    shown = [each.code for each in blocks(ROOT / "docs" / "prompts-in-git.md") if each.code.startswith("---")]
    assert [parse_prompt(text).kind for text in shown] == ["text", "chat"]


def test_what_a_file_cannot_say_is_refused() -> None:
    with pytest.raises(InvalidPrompt, match="would begin a message"):
        format_prompt(PromptContent(template="one\n<|user|>\ntwo"))
    with pytest.raises(InvalidPrompt, match="line feed alone"):
        format_prompt(PromptContent(template="one\r\ntwo"))


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
templates = st.lists(words | st.sampled_from(["---", "", "<|user", " <|user|>", "{{ x }}"])).map("\n".join)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(words, json_values, max_size=3)
contents = st.builds(
    PromptContent,
    template=templates,
    variables=st.dictionaries(
        st.sampled_from(["a", "b_2"]), st.just(Variable()) | st.just(Variable("integer", default=3))
    ),
    model=st.none() | words.filter(bool),
    parameters=json_objects,
    output_schema=st.none() | json_objects,
    metadata=json_objects,
) | st.builds(
    PromptContent,
    messages=st.lists(
        st.builds(Message, st.sampled_from(["system", "user"]), templates), min_size=1, max_size=3
    ).map(tuple),
    metadata=json_objects,
)


@given(contents)
def test_what_is_written_is_read_back(content: PromptContent) -> None:
    try:
        text = format_prompt(content)
    except InvalidPrompt:
        assert any("\r" in template for _, template in content.templates())
        return
    assert parse_prompt(text) == content
    assert parse_prompt(text).digest() == content.digest()
