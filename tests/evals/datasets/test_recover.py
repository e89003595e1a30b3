import json

import pytest

from coalmine_evals.datasets.recover import variables_of
from coalmine_schemas.prompts.content import Message, PromptContent
from coalmine_schemas.prompts.variables import Variable

TEXT = Variable("string")


def prompt(template: str, *names: str, **kinds: Variable) -> PromptContent:
    return PromptContent(template=template, variables=dict.fromkeys(names, TEXT) | kinds)


CHAT = PromptContent(
    messages=(Message("system", "Be kind to {{ name }}."), Message("user", "{{ question }}")),
    variables={"name": TEXT, "question": TEXT},
)


def messages(*texts: str) -> str:
    return json.dumps([{"role": "user", "content": each} for each in texts])


@pytest.mark.parametrize(
    ("content", "sent", "variables"),
    [
        (prompt("Answer kindly: {{ q }}", "q"), "Answer kindly: where is it?", {"q": "where is it?"}),
        (prompt("{{ a }} -- {{ b }}!", "a", "b"), "x\ny -- z!", {"a": "x\ny", "b": "z"}),
        (prompt("{{ a }} and {{ a }}", "a"), "x and x", {"a": "x"}),
        (prompt("Nothing to fill in."), "Nothing to fill in.", {}),
        (CHAT, messages("Be kind to Ann.", "where?"), {"name": "Ann", "question": "where?"}),
        # a service that captures the question alone
        (prompt("You answer questions of customers.\n{{ q }}", "q"), "where is it?", {"q": "where is it?"}),
        # not to be told apart
        (prompt("{{ a }} and {{ b }}", "a", "b"), "x and y and z", None),
        (prompt("{{ a }}{{ b }}", "a", "b"), "xy", None),
        (prompt("{{ a }} and {{ a }}", "a"), "x and y", {"a": "x and y"}),
        # more than filling in
        (prompt("{% if a %}{{ a }}{% endif %} of {{ b }}", "a", "b"), "x of y", None),
        (prompt("{{ a | upper }} of {{ b }}", "a", "b"), "X of y", None),
        (prompt("Count to {{ n }}", n=Variable("integer")), "Count to 3", None),
        # another version's text, or a conversation that went on
        (
            prompt("You answer questions of customers.\n{{ q }}", "q"),
            "You answer questions of customers. x",
            None,
        ),
        (CHAT, messages("Be kind to Ann.", "where?", "there"), None),
        (CHAT, "where?", None),
        (CHAT, "[" * 100_000, None),
    ],
)
def test_values_are_what_the_template_was_filled_with(
    content: PromptContent, sent: str, variables: dict[str, str] | None
) -> None:
    assert variables_of(content, sent) == variables
