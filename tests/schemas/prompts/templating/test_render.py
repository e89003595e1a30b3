"""What templates can say, and what they are given."""

import enum
import json
from types import MappingProxyType
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.prompts import (
    InvalidTemplate,
    InvalidVariable,
    Message,
    MissingVariables,
    PromptContent,
    RenderError,
    RenderLimitExceeded,
    Variable,
)
from coalmine_schemas.prompts.templating import (
    MAX_INCLUDE_DEPTH,
    MAX_OUTPUT_CHARS,
    CompiledPrompt,
    check_template,
    compile_prompt,
)
from tests.support.data.hostile_templates import VALUES, attempt, no_prompt


def compiled(template: str, **variables: Variable) -> CompiledPrompt:
    return compile_prompt(PromptContent(template=template, variables=variables), no_prompt)


@pytest.mark.parametrize(
    "template",
    [
        "plain\ntext\n",
        "{{ text }} and {{ number }}{# a comment #}",
        "{% for x in items %}{{ loop.index }}/{{ loop.length }}: {{ x.name }}={{ x['n'] }}"
        "{% if not loop.last %}, {% endif %}{% endfor %}",
        "{% for x in items if x.n > 1 %}{{ x.name }}{% else %}none{% endfor %}",
        "{% for x in [] %}{% else %}none{% endfor %}",
        "{% for k, v in {'a': 1, 'b': [2]}.items() %}{{ k }}{{ v }}{% endfor %}",
        "{% for x in items %}{{ loop.cycle('odd', 'even') }}"
        "{{ loop.previtem.name if not loop.first }}{% endfor %}",
        "{% for x in items %}{% for y in items %}{{ loop.index0 }}{{ loop.revindex }}{% endfor %}"
        "{% endfor %}",
        "{% if number > 5 and text %}big{% elif number is odd %}odd{% else %}small{% endif %}",
        "{% set a = 'x' ~ number ~ 1.5 %}{{ a }}{% set b %}[{{ a }}]{% endset %}{{ b }}",
        "{% set b | upper %}[{{ text }}]{% endset %}{{ b }}",
        "{% with a = 3, b = number %}{{ a * b }}{% endwith %}",
        "{% filter upper %}loud {{ text }}{% endfilter %}",
        "{{ items|map(attribute='name')|join(', ') }} {{ items|selectattr('n', 'gt', 1)|list|length }}",
        "{{ items|groupby('name')|length }} {{ items|sum(attribute='n') }} "
        "{{ items|sort(attribute='n', reverse=true)|first }}",
        "{{ text|upper|lower|title|capitalize|trim }} {{ text|replace('b', 'xx') }} {{ text|center(9) }}",
        "{{ 'a\n\nb'|indent(2) }} {{ 'a\nb'|indent('> ', true) }} {{ 'a\n\nb'|indent(2, blank=true) }}",
        "{{ number + 1 }} {{ number - 1 }} {{ number * 2 }} {{ number / 2 }} {{ number // 2 }} "
        "{{ number % 2 }} {{ 2 ** 10 }}",
        "{{ -number }} {{ 'ab' * 3 }} {{ 'a' + 'b' }} {{ [1] + [2] }} {{ 3 * '-' }}",
        "{{ number == 7 }} {{ 1 < number <= 7 }} {{ 'b' in text }} {{ 4 not in [1, 2] }} {{ not text }}",
        "{{ text[0] }} {{ text[1:] }} {{ text[::-1] }} {{ items[-1].name }} {{ [1, 2, 3][:2] }}",
        "{{ range(3)|list }} {{ range(1, 6, 2)|list }} {{ range(5)|batch(2)|list }} "
        "{{ [3, 1, 2]|sort|join }}",
        "{{ order.nothing|default('none') }} {{ order.nothing is defined }} {{ order.id is defined }}",
        "{{ text.upper() }} {{ text.split('b') }} {{ ', '.join(['a', 'b']) }} {{ text.replace('a', 'z') }}",
        "{{ order.get('id') }} {{ order.get('x', 'y') }} {{ order.keys()|list }} {{ text.startswith('a') }}",
        "{{ 'yes' if number > 3 else 'no' }} {{ true }} {{ [1, 'a', none] }} {{ {'a': 1} }}",
        "{{ 2.567|round(1) }} {{ '12'|int + 1 }} {{ 'x'|int(5) }} {{ '1.5'|float }} {{ -3|abs }} "
        "{{ [1, 2]|max }}",
        "{{ 'a b c'|wordcount }} {{ 'hello world'|truncate(8) }} {{ [1, 1, 2]|unique|list }} "
        "{{ 'abc'|reverse }}",
        "{{ text is string }} {{ items is sequence }} {{ order is mapping }} {{ 4 is divisibleby 2 }}",
        "{{ {'b': 1, 'a': 2}|dictsort }} {{ {'a': 1}|items|list }} {{ [[1, 2], [3]]|map('length')|list }}",
        "{%- if true -%}  tight  {%- endif -%}  {% raw %}{{ not this }}{% endraw %}",
    ],
)
def test_templates_say_the_same_as_in_jinja2(template: str) -> None:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        finalize=lambda value: value if isinstance(value, str | jinja2.Undefined) else json.dumps(value),
    )
    assert attempt(template) == environment.from_string(template).render(VALUES)


def test_json_is_written_for_models_and_not_for_html() -> None:
    assert attempt("{{ {'b': '<ä>', 'a': 1}|tojson }}") == '{"b": "<ä>", "a": 1}'
    assert attempt("{{ [1]|tojson(indent=1) }}") == "[\n 1\n]"


def test_an_entry_wins_over_a_method() -> None:
    assert attempt("{{ order.items }} {{ order.items()|list|length }}") == '["x"] 2'


def test_all_missing_variables_are_named() -> None:
    prompt = compiled("{{ a }}{{ b }}{{ c }}", a=Variable(), b=Variable(required=False), c=Variable("object"))
    with pytest.raises(MissingVariables, match=r"missing variables: a, c") as caught:
        prompt.render({"d": 1})
    assert caught.value.names == ("a", "c")


def test_defaults_fill_in_and_others_are_ignored() -> None:
    prompt = compiled("{{ a }} {{ b or '-' }}", a=Variable(default="x"), b=Variable(required=False))
    assert prompt.render({"c": object()}) == "x -"
    assert prompt.render({"a": None, "b": None}) == "x -"
    assert prompt.render({"a": "y", "b": "z"}) == "y z"
    assert prompt.unknown({"a": "y", "c": 1, "d": 2}) == ["c", "d"]
    assert prompt.unknown({"a": "y"}) == []


@pytest.mark.parametrize(
    "template",
    [
        "{{ b }}",
        "{{ 'x' ~ b }}",
        "{{ [b]|join }}",
        "{{ b|upper }}",
        "{{ b|string }}",
        "{{ text|replace('a', b) }}",
    ],
)
def test_nothing_is_not_written_out(template: str) -> None:
    prompt = compiled(template, b=Variable(required=False), text=Variable(default="abc"))
    with pytest.raises(RenderError, match=r"None cannot be written out: .*default.*no value was given for b"):
        prompt.render({})
    assert compiled("{% if b %}{{ b }}{% endif %}", b=Variable(required=False)).render({}) == ""
    assert compiled("{{ b|default('-', true) }}", b=Variable(required=False)).render({}) == "-"


class _Tier(enum.StrEnum):
    FREE = "free"


class _Plan(str, enum.Enum):  # noqa: UP042 - str() of it is not its value
    PAID = "paid"


class _Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("string", _Tier.FREE, "free"),
        ("string", _Plan.PAID, "paid"),
        ("integer", _Level.HIGH, "3"),
        ("integer", 10**20, "100000000000000000000"),
        ("number", 1e22, "1e+22"),
        ("number", 10**70, "1" + "0" * 70),
        ("boolean", True, "true"),
        ("array", [1, "ä", None, False, [_Plan.PAID]], '[1, "ä", null, false, ["paid"]]'),
        ("array", ({"a": (1, 2)},), '[{"a": [1, 2]}]'),
        ("object", MappingProxyType({"a": 1.5, "b": {"c": "\n"}}), '{"a": 1.5, "b": {"c": "\\n"}}'),
        ("object", {1: "x"}, '{"1": "x"}'),
    ],
)
def test_values_are_written_as_json(kind: Any, value: Any, written: str) -> None:
    for template in ("{{ v }}", "{{ v ~ '' }}", "{{ [v]|join }}", "{{ v|string }}"):
        assert compiled(template, v=Variable(kind)).render({"v": value}) == written


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", 10**400),
        ("integer", -(10**400)),
        ("array", [float("nan")]),
        ("array", [10**400]),
        ("object", {"a": float("inf")}),
        ("object", {2**61 - 1: 1}),
        ("object", {(1, 2): 1}),
        ("object", {b"a": 1}),
        ("array", [b"a"]),
        ("array", [{1, 2}]),
        ("array", [1j]),
        ("string", "half \ud83d"),
        ("array", ["\ude00"]),
    ],
)
def test_values_that_json_or_a_bound_does_not_allow_are_refused(kind: Any, value: Any) -> None:
    with pytest.raises(RenderError) as caught:
        compiled("{{ v }}", v=Variable(kind)).render({"v": value})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("constant", ["1e999", "[1e400]", "'\\ud83d'"])
def test_a_constant_that_no_text_can_say_is_refused_at_registration(constant: str) -> None:
    with pytest.raises(InvalidTemplate):
        compiled(f"{{% if x %}}{{{{ {constant} }}}}{{% endif %}}", x=Variable("boolean"))


@pytest.mark.parametrize("result", ["1e308 * 10", "1e308 * 10 - 1e308 * 10", "[1e308 * 10]"])
def test_a_number_that_json_does_not_have_is_not_written_out(result: str) -> None:
    with pytest.raises(RenderError, match="finite numbers only"):
        attempt(f"{{{{ {result} }}}}")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["", "x"], [1, None, True, ["x"], b"x"]),
        ("integer", [0, -5, 10**20], [1.0, "1", True, None]),
        ("number", [0, 1.5], ["1", True, None, float("nan"), float("inf")]),
        ("boolean", [True, False], [0, "true", None]),
        ("array", [[], [1], (1, 2)], ["x", {}, {1}, None, iter([])]),
        ("object", [{}, {"a": 1}], [[], "x", None, object()]),
    ],
)
def test_types_are_checked(kind: Any, good: list[Any], bad: list[Any]) -> None:
    prompt = compiled("{{ v }}", v=Variable(kind))
    for value in good:
        prompt.render({"v": value})
    for value in bad:
        with pytest.raises(InvalidVariable, match=f"variable v is .*type {kind}"):
            prompt.render({"v": value})


def test_a_chat_prompt_becomes_messages() -> None:
    content = PromptContent(
        messages=(Message("system", "Be {{ tone }}."), Message("user", "{{ question }}")),
        variables={"tone": Variable(default="kind"), "question": Variable()},
    )
    prompt = compile_prompt(content, no_prompt)
    assert prompt.kind == "chat"
    assert prompt.messages({"question": "why?"}) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "why?"},
    ]
    assert prompt.render({"question": "why?"}) == "Be kind.\n\nwhy?"
    assert compiled("hello").messages({}) == [{"role": "user", "content": "hello"}]


def test_output_is_limited_over_all_messages() -> None:
    message = Message("user", "{{ text }}")
    content = PromptContent(messages=(message, message), variables={"text": Variable()})
    prompt = compile_prompt(content, no_prompt)
    assert len(prompt.render({"text": "x" * (MAX_OUTPUT_CHARS // 2)})) > MAX_OUTPUT_CHARS - 2
    with pytest.raises(RenderLimitExceeded, match="output is longer"):
        prompt.messages({"text": "x" * (MAX_OUTPUT_CHARS // 2 + 1)})


def test_what_fails_with_these_values_says_so() -> None:
    with pytest.raises(RenderError, match=r"what is not there.*total"):
        attempt("{{ order.total + 1 }}")
    with pytest.raises(RenderError, match="ZeroDivisionError"):
        attempt("{{ 1 / (number - 7) }}")


def _library(**templates: str) -> Any:
    contents = {
        f"{name}@1.0.0": PromptContent(template=template, variables={"x": Variable()})
        for name, template in templates.items()
    }
    return contents.__getitem__


def test_an_include_renders_in_place_with_the_same_values() -> None:
    lookup = _library(a='<{% include "b@1.0.0" %}>', b="{% set y = x %}{{ y }}")
    content = PromptContent(template='{% set y = 1 %}{% include "a@1.0.0" %} {% include "b@1.0.0" %} {{ y }}')
    prompt = compile_prompt(content, lookup)
    assert prompt.render({"x": "v"}) == "<v> v 1"
    with pytest.raises(MissingVariables, match="x"):
        prompt.render({})


def test_an_include_inside_a_loop_counts_each_time() -> None:
    lookup = _library(a="x" * 10_000)
    content = PromptContent(template='{% for i in range(1000) %}{% include "a@1.0.0" %}{% endfor %}')
    with pytest.raises(RenderLimitExceeded):
        compile_prompt(content, lookup).render({"x": ""})


def test_a_cycle_of_includes_is_refused() -> None:
    lookup = _library(a='{% include "b@1.0.0" %}', b='{% include "a@1.0.0" %}')
    with pytest.raises(InvalidTemplate, match=r"cycle of includes back to a@1\.0\.0"):
        check_template(PromptContent(template='{% include "a@1.0.0" %}'), lookup)


def test_includes_have_a_depth() -> None:
    chain = {f"p{i}": f'{{% include "p{i + 1}@1.0.0" %}}' for i in range(20)}
    fine = {**chain, f"p{MAX_INCLUDE_DEPTH - 1}": "end"}
    content = PromptContent(template='{% include "p0@1.0.0" %}')
    assert compile_prompt(content, _library(**fine)).render({"x": ""}) == "end"
    with pytest.raises(InvalidTemplate, match="levels deep"):
        check_template(content, _library(**{**chain, f"p{MAX_INCLUDE_DEPTH}": "end"}))


def test_includes_do_not_multiply_without_end() -> None:
    bomb = {f"p{i}": f'{{% include "p{i + 1}@1.0.0" %}}' * 30 for i in range(6)}
    with pytest.raises(InvalidTemplate, match=r"too many parts|at most"):
        check_template(PromptContent(template='{% include "p0@1.0.0" %}'), _library(**bomb, p6="end"))


def test_what_an_include_needs_has_one_type() -> None:
    lookup = _library(a="{{ x }}")
    content = PromptContent(template='{% include "a@1.0.0" %}', variables={"x": Variable("integer")})
    with pytest.raises(InvalidTemplate, match=r"variables\.x\.type is 'integer': a@1\.0\.0"):
        check_template(content, lookup)
    own = PromptContent(template='{% include "a@1.0.0" %}', variables={"x": Variable(default="mine")})
    assert compile_prompt(own, lookup).render({}) == "mine"


def test_a_chat_prompt_is_not_included() -> None:
    chat = PromptContent(messages=(Message("user", "x"),))
    with pytest.raises(InvalidTemplate, match="chat prompt"):
        check_template(PromptContent(template='{% include "a@1.0.0" %}'), {"a@1.0.0": chat}.__getitem__)


def test_a_hostile_include_is_refused_and_named() -> None:
    with pytest.raises(InvalidTemplate, match=r"included as a@1\.0\.0.*__class__"):
        check_template(PromptContent(template='{% include "a@1.0.0" %}'), _library(a="{{ x.__class__ }}"))


def test_registration_names_all_undeclared_variables_and_the_field() -> None:
    content = PromptContent(messages=(Message("user", "{{ b }}{{ a }}{% set c = 1 %}{{ c }}{{ range(2) }}"),))
    with pytest.raises(InvalidTemplate, match=r"messages\[0\]\.template is 'using a, b': declare"):
        check_template(content, no_prompt)


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=20), min_size=3, max_size=3))
def test_values_are_never_read_as_templates(values: dict[str, str]) -> None:
    prompt = compiled("{{ a }}|{{ b }}|{{ c }}", a=Variable(), b=Variable(), c=Variable())
    assert prompt.render(values) == f"{values['a']}|{values['b']}|{values['c']}"
