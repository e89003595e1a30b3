"""Prompts as text files: whatever is written is read back, and mistakes are named."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.prompt_files.markdown import format_prompt, parse_prompt
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
        ("\n---\nmodel: x\n---\nhi\n", "begin the file with a line of three hyphens"),
        (" ---\nmodel: x\n---\nhi\n", "begin the file with a line of three hyphens"),
        ("----\nmodel: x\n----\nhi\n", "begin the file with a line of three hyphens"),
        ("---\rmodel: x\r---\rhi\r", "begin the file with a line of three hyphens"),
        ("<|user|>\nhi\n<|assisstant|>\nhello\n", "write <|assistant|>"),
        ("<|User|>\nhi\n", "write <|user|>"),
        ("<|system|>\nkind\n  <|user|>\nhi\n", "write <|user|>"),
        ("---\nmetadata: {true: 1}\n---\n", "in quotes"),
        ("---\nmetadata: {<<: {a: 1}}\n---\n", "merges no mappings"),
        ("---\nmetadata: {a: &x 1, b: *x}\n---\n", "aliases .* are not supported"),
        ("---\nmetadata: {a: &x [*x]}\n---\n", "aliases .* are not supported"),
        ("---\nmetadata: {a: !!set {x}}\n---\n", "write YAML"),
        ("---\nmetadata: {a: !!int x}\n---\n", "write YAML"),
        ("---\nmetadata: {a: !!bool NO}\n---\n", "write YAML"),
        ("---\nmetadata: {a: " + "9" * 5000 + "}\n---\n", "fewer digits"),
        ("---\nmetadata: {a: " + "[" * 5000 + "]" * 5000 + "}\n---\n", "nested too deep"),
        ("---\nmetadata: {a: 1e400}\n---\n", "finite"),
        ("---\nmetadata: {a: !!map ab}\n---\n", "write YAML"),
        ("---\nmetadata: {a: !!map [[b, c]]}\n---\n", "write YAML"),
        ('---\nmodel: "\\U00110000"\n---\n', "write YAML"),
        ('---\nmodel: "\\UFFFFFFFF"\n---\n', "write YAML"),
        ("\u200b---\nmodel: x\n---\nhi\n", "begin the file with a line of three hyphens"),
        ("\ufeff\ufeff---\nmodel: x\n---\nhi\n", "begin the file with a line of three hyphens"),
        ("<|system|>\nhi\n<|user|>\u200b\nho\n", r"write <\|user\|>"),
        ("<|system|>\nhi\n\u2060<|user|>\u00a0\nho\n", r"write <\|user\|>"),
        ("---\nmetadata: {a: " + "x" * 200_000 + "}\n---\n", "at most 100000 characters"),
        ("---\nmetadata: {a: [" + "1," * 30_000 + "]}\n---\n", "more than 20000 values"),
    ],
)
def test_a_mistake_is_named(text: str, told: str) -> None:
    with pytest.raises(InvalidPrompt, match="(?s)" + told.replace("[", r"\[")):
        parse_prompt(text)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[(word, word) for word in ("NO", "no", "yes", "On", "off", "y", "N")],
        *[
            (word, word)
            for word in ("1:30", "1_000", "0b1", "2026-01-31", "0x", "1e", "=", ".", "nUll", "tRUE")
        ],
        ("1e-1", 0.1),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-2.", -2.0),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("+12", 12),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("NULL", None),
        ("", None),
        ("'NO'", "NO"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_words_without_quotes_mean_what_yaml_1_2_says(written: str, read: Any) -> None:
    found = parse_prompt(f"---\nmetadata:\n  value: {written}\n---\nhello\n").metadata["value"]
    assert (found, type(found)) == (read, type(read))
    again = format_prompt(PromptContent(template="hello", metadata={"value": read}))
    assert parse_prompt(again).metadata == {"value": read}


def test_a_name_may_be_a_word_that_yaml_1_1_took_for_a_boolean() -> None:
    assert parse_prompt("---\nmetadata: {NO: 1, on: 2}\n---\nhello\n").metadata == {"NO": 1, "on": 2}


def test_blanks_behind_a_fence_or_a_role_do_not_count() -> None:
    assert parse_prompt(TEXT.replace("---\n", "--- \t\n")) == parse_prompt(TEXT)
    assert parse_prompt(CHAT.replace("|>\n", "|> \n")) == parse_prompt(CHAT)


def test_a_line_of_another_token_is_text() -> None:
    text = "Stop at this:\n<|endoftext|>\n<|im_start|>\n<|eot_id|>"
    assert parse_prompt(f"{text}\n") == PromptContent(template=text)
    assert parse_prompt(f"<|user|>\n{text}\n").messages == (Message("user", text),)
    with pytest.raises(InvalidPrompt, match="a file knows the roles"):
        format_prompt(PromptContent(messages=(Message("critic", "hello"),)))


def test_aliases_that_multiply_are_refused_at_once() -> None:
    names = "abcdefghijklmnop"
    lines = ["a: &a [x, x]"] + [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise(names)]
    with pytest.raises(InvalidPrompt, match="aliases"):
        parse_prompt("---\nmetadata:\n  " + "\n  ".join(lines) + "\n---\nhello\n")


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
        lines = [line for _, template in content.templates() for line in template.split("\n")]
        assert any("\r" in line or ("<|" in line and "|>" in line) for line in lines)
        return
    assert parse_prompt(text) == content
    assert parse_prompt(text).digest() == content.digest()
