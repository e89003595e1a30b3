"""A hostile template can neither read objects nor hang a service."""

import contextlib
import json
import random
import resource
import subprocess
import sys
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coalmine_schemas.errors import CoalmineError
from coalmine_schemas.prompts import (
    InvalidPrompt,
    Message,
    PromptContent,
    RenderError,
    RenderLimitExceeded,
    Variable,
)
from coalmine_schemas.prompts.syntax import MAX_TEMPLATE_CHARS
from coalmine_schemas.prompts.templating import MAX_CPU_S, MAX_NODES, MAX_OUTPUT_CHARS, budget, compile_prompt
from tests.support.campaign import size
from tests.support.data.hostile_templates import HOSTILE, VALUES, VARIABLES, attempt, no_prompt
from tests.support.repository.tree import ROOT

_CPU_S = 60
_MEMORY_BYTES = 2 * 1024**3


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """What became of every attempt, in one process that may take only so much time and memory."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))

    done = subprocess.run(
        [sys.executable, "-m", "tests.support.data.hostile_templates"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=limit,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", HOSTILE)
def test_an_attempt_to_escape_is_refused(told: dict[str, str], name: str) -> None:
    how, _, why = told[name].partition(": ")
    assert how != "rendered", why
    assert 0 < len(why) < 1500


def test_refusing_all_takes_bounded_time_and_memory(told: dict[str, str]) -> None:
    assert list(told) == list(HOSTILE)


def test_no_operation_takes_longer_than_it_is_charged() -> None:
    """Thousands of expressions, each computed again and again without a deadline; all in a campaign."""
    seed, step = random.randrange(10**6), size(301, 7)
    found = subprocess.run(
        [sys.executable, "-m", "tests.support.data.costly_templates", str(seed % step), str(step)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (size(120, 3000), size(120, 3000))),
    )
    assert found.returncode == 0, f"from {seed % step} every {step}th: {found.stderr[-2000:]}"
    cases, most_s, which = found.stdout.splitlines()
    assert int(cases) > 100
    assert float(most_s) < 10 * MAX_CPU_S, which


def test_a_deadline_ends_what_the_steps_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MAX_CPU_S", 0.0)
    with pytest.raises(RenderLimitExceeded, match="0 s of processor time"):
        attempt("{% for i in range(60000) %}{{ i }}{% endfor %}")


_LONG = {
    "conditions": "{% if number %}" * 39 + "{% endif %}" * 39,
    "conditions with else": "{% if number %}x{% else %}" * 38 + "{% endif %}" * 38,
    "loops in conditions": "{% if number %}{% for x in items %}" * 6 + "{% endfor %}{% endif %}" * 6,
    "conditions within an expression": "{{ " + "(text if " * 38 + "text" + " else text)" * 38 + " }}",
    "ands": "{{ " + "(text and " * 38 + "text" + ")" * 38 + " }}",
    "nots": "{{ " + "not " * 38 + "text }}",
    "lists": "{{ " + "[" * 38 + "text" + "]" * 38 + " }}",
    "arguments": "{{ " + "text|default(" * 38 + "text" + ")" * 38 + " }}",
    "blocks": "{% set x %}" * 38 + "{{ text }}" + "{% endset %}" * 38,
    "scopes": "{% with x = text %}" * 38 + "{{ x }}" + "{% endwith %}" * 38,
    "outputs": "{{ text }}",
    "names": "{% set a = text %}{% if a %}{% set b = a %}{% endif %}",
    "tokens": "{{ 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 }}",
    "comments": "{# x #}",
    "blanks": "{%" + " " * 100 + "raw %}{% endraw %}",
    "braces": "{{ '{{' }}",
    "open": "{% raw %}{%" + " " * 200,
}


@pytest.mark.parametrize("part", _LONG)
def test_compiling_takes_bounded_time(part: str) -> None:
    template = _LONG[part] * (MAX_TEMPLATE_CHARS // len(_LONG[part]))
    began_s = time.process_time()
    for share in (1, 4, 16, 64)[:: size(2, 1)]:
        with contextlib.suppress(InvalidPrompt):
            compile_prompt(
                PromptContent(template=template[: len(template) // share], variables=VARIABLES), no_prompt
            )
        whole = template[: MAX_NODES * 3 // share // len(_LONG[part]) * len(_LONG[part])]
        with contextlib.suppress(InvalidPrompt):
            compile_prompt(PromptContent(template=whole, variables=VARIABLES), no_prompt)
    assert time.process_time() - began_s < 30


def test_messages_share_one_bound() -> None:
    messages = tuple(Message("user", "{{ text }}" * 100) for _ in range(60))
    with pytest.raises(InvalidPrompt, match="a template has at most"):
        compile_prompt(PromptContent(messages=messages, variables=VARIABLES), no_prompt)
    messages = tuple(Message("user", "x" * 250_000) for _ in range(5))
    with pytest.raises(InvalidPrompt, match="templates together have at most"):
        compile_prompt(PromptContent(messages=messages), no_prompt)


def test_a_negative_repetition_gives_no_steps_back() -> None:
    repeated = (
        "{% set y = ('ab' * 1000) * (0 - 10 ** 18) %}{% for i in range(150000) %}{% set z = i %}{% endfor %}"
    )
    with pytest.raises(RenderLimitExceeded, match="steps"):
        attempt(repeated * 3)


@pytest.mark.parametrize(
    "innocent",
    ["{{ text }}", "{{ order['id'] }}", "{% for x in items %}{{ loop.index }}{{ x.name }}{% endfor %}"],
)
def test_the_attempts_are_not_refused_for_being_templates(innocent: str) -> None:
    assert attempt(innocent)


def test_objects_of_the_service_are_refused_wherever_they_hide() -> None:
    class Secret:
        password = "hunter2"

    for variables in ({"items": [Secret()]}, {"items": [{"deep": [Secret()]}]}):
        prompt = compile_prompt(
            PromptContent(template="{{ items }}", variables={"items": Variable("array")}), no_prompt
        )
        with pytest.raises(RenderError, match="a Secret is nothing a template may use"):
            prompt.render(variables)


def test_a_value_that_contains_itself_is_refused() -> None:
    items: list[object] = []
    items.append(items)
    prompt = compile_prompt(
        PromptContent(template="{{ items|length }}", variables={"items": Variable("array")}), no_prompt
    )
    with pytest.raises(RenderError, match="more than"):
        prompt.render({"items": items})


_WORDS = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "for", "in", "if", "else", "endif", "endfor", "set", "endset", "=", "text"),
        *(
            "items",
            "order",
            "number",
            "x",
            "loop",
            "loop.index",
            ".",
            "|",
            "(",
            ")",
            "[",
            "]",
            ",",
            "*",
            "**",
        ),
        *(
            "+",
            "~",
            "-",
            "'a'",
            "10",
            "999999",
            "range(9)",
            "upper",
            "join",
            "map",
            "center",
            "replace",
            "__class__",
        ),
        *("attr", "default", "tojson", "sort", ":", "filter", "endfilter", "with", "endwith", "is", "not"),
    ]
)
_EXPRESSIONS = st.recursive(
    st.sampled_from(
        ["text", "number", "items", "order", "order.id", "items[0].name", "'a'", "3", "none", "[1, 'b']"]
    ),
    lambda inner: st.one_of(
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from([*"+-*/~%<", "//", "**", "==", "in", "and", "or"]),
            inner,
        ),
        st.builds(
            "{}|{}".format,
            inner,
            st.sampled_from(
                [
                    *(
                        "upper",
                        "length",
                        "join",
                        "list",
                        "sort",
                        "tojson",
                        "first",
                        "last",
                        "reverse",
                        "int",
                        "sum",
                    ),
                    *(
                        "center(50)",
                        "indent(3)",
                        "replace('a', 'bb')",
                        "map('string')|list",
                        "batch(2)",
                        "slice(3)",
                    ),
                    *(
                        "default(1)",
                        "groupby('name')",
                        "unique",
                        "round(2)",
                        "float",
                        "items",
                        "dictsort",
                        "max",
                    ),
                    *(
                        "truncate(5)",
                        "selectattr('n')|list",
                        "map(attribute='name')|list",
                        "wordcount",
                        "title",
                    ),
                ]
            ),
        ),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[{}:{}]".format, inner, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("(-{})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}.upper()".format, inner),
        st.builds("range({})".format, inner),
    ),
    max_leaves=6,
)
_TEMPLATES = st.lists(_WORDS, max_size=14).map(" ".join) | st.lists(
    st.builds("{{{{ {} }}}}".format, _EXPRESSIONS)
    | st.builds("{{% for x in {} %}}{{{{ x }}}}{{{{ {} }}}}{{% endfor %}}".format, _EXPRESSIONS, _EXPRESSIONS)
    | st.builds("{{% set text = {} %}}".format, _EXPRESSIONS)
    | st.builds("{{% if {} %}}a{{% endif %}}".format, _EXPRESSIONS)
    | st.text(max_size=5),
    max_size=4,
).map("".join)


@given(_TEMPLATES)
@example("{{ items|groupby('name') }}")
def test_any_template_renders_to_a_bounded_text_or_is_refused(template: str) -> None:
    before = repr(VALUES)
    try:
        text = attempt(template)
    except (InvalidPrompt, RenderError) as error:
        assert isinstance(error, CoalmineError)
    else:
        assert len(text) <= MAX_OUTPUT_CHARS
        assert " object at 0x" not in text
    assert repr(VALUES) == before
