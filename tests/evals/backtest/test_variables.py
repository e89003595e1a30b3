"""The values that a prompt was rendered with are read back out of what was sent, or nothing is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_evals.backtest.variables import recovered, said_by_user
from coalmine_schemas.prompts import PromptContent
from coalmine_schemas.prompts.templating import CompiledPrompt, compile_prompt


def prompt(*messages: tuple[str, str], **variables: Any) -> CompiledPrompt:
    content = PromptContent.from_json(
        {
            "messages": [{"role": role, "template": template} for role, template in messages],
            "variables": variables,
        }
    )
    return compile_prompt(content, lambda _reference: None)  # type: ignore[arg-type, return-value]


TEXT = {"type": "string", "required": True}
SUPPORT = prompt(
    ("system", "You answer for {{ company }}."),
    ("user", "Question: {{ question }}\nAnswer for {{ company }}."),
    company=TEXT,
    question=TEXT,
)
PLAIN = prompt(("system", "Be brief."), ("user", "{{ question }}"), question=TEXT)


def sent(made: CompiledPrompt, **values: str) -> str:
    return json.dumps(made.messages(values))


@given(st.text(min_size=1, max_size=50), st.text(min_size=1, max_size=50))
def test_what_is_read_renders_to_what_was_sent(company: str, question: str) -> None:
    stored = sent(SUPPORT, company=company, question=question)
    found = recovered(SUPPORT, stored)
    assert found is None or sent(SUPPORT, **found) == stored


@pytest.mark.parametrize(
    "question", ["Where is it?", "two\nlines", "{{ question }}", "(.*)", "Ä\u00a0ß", '"x"']
)
def test_values_are_read_out_of_messages(question: str) -> None:
    values = {"company": "ACME", "question": question}
    assert recovered(SUPPORT, sent(SUPPORT, **values)) == values
    assert recovered(PLAIN, sent(PLAIN, question=question)) == {"question": question}


def test_what_was_said_after_the_prompt_does_not_matter() -> None:
    history = [*PLAIN.messages({"question": "Hi"}), {"role": "assistant", "content": "Hello"}]
    assert recovered(PLAIN, json.dumps(history)) == {"question": "Hi"}


def test_values_are_read_out_of_one_text() -> None:
    assert recovered(PLAIN, "Be brief.\n\nWhere?") == {"question": "Where?"}
    greeting = prompt(("user", "Say hello to {{ name }}!"), name=TEXT)
    assert recovered(greeting, "Say hello to Ann!") == {"name": "Ann"}


def test_a_text_that_can_be_read_in_two_ways_is_read_in_none() -> None:
    two = prompt(("user", "{{ a }} {{ b }}"), a=TEXT, b=TEXT)
    assert recovered(two, sent(two, a="x", b="y")) == {"a": "x", "b": "y"}
    assert recovered(two, sent(two, a="x y", b="z")) is None


def test_a_text_of_another_prompt_is_not_read() -> None:
    assert recovered(SUPPORT, json.dumps([{"role": "user", "content": "Hi"}])) is None
    greeting = prompt(("user", "Say hello to {{ name }}!"), name=TEXT)
    assert recovered(greeting, "Translate this") is None


def test_a_prompt_that_changes_its_values_is_not_read() -> None:
    loud = prompt(("user", "Say {{ name | upper }}!"), name=TEXT)
    assert recovered(loud, sent(loud, name="ann")) != {"name": "ann"}


def test_a_text_made_to_take_long_is_given_up() -> None:
    many = dict.fromkeys("abcdefgh", TEXT)
    slow = prompt(("user", "x".join(f"{{{{ {name} }}}}" for name in many) + "!"), **many)
    assert recovered(slow, json.dumps([{"role": "user", "content": "x" * 20_000}])) is None


def test_what_the_user_said_last() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert said_by_user(json.dumps([*messages, {"role": "user", "content": "Where?"}])) == "Where?"
    assert said_by_user("Where?") == "Where?"
    assert said_by_user("[1, 2]") == "[1, 2]"
