"""Templates of other tools render here as they did there, or are refused by name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_registry.prompt_imports.templates import Language, translated
from coalmine_schemas.prompts import InvalidPrompt, PromptContent, Variable
from coalmine_schemas.prompts.templating import compile_prompt

AWKWARD = st.text(alphabet="ab{}%#\n \"'-", max_size=30)


def rendered(text: str, language: Language, **values: object) -> str:
    made = translated(text, language, "template")
    content = PromptContent(template=made.template, variables=made.variables)
    nothing: dict[str, PromptContent] = {}
    return compile_prompt(content, nothing.__getitem__).render(values)


@given(AWKWARD, AWKWARD)
def test_an_f_string_renders_as_python_formats_it(before: str, after: str) -> None:
    text = f"{before}|{after}".replace("{", "{{").replace("}", "}}").replace("|", "{x}")
    assert rendered(text, "f-string", x="<{{ x }}>") == text.format(x="<{{ x }}>")


@given(AWKWARD, AWKWARD)
def test_a_mustache_template_is_text_with_values_in_it(before: str, after: str) -> None:
    text = f"{before}{{{{ x }}}}{after}"
    try:
        names = translated(text, "mustache", "template").variables
    except InvalidPrompt:
        return
    values = {name: f"<{name}>" for name in names}
    told = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: values[found[1]], text)
    assert rendered(text, "mustache", **values) == told


@pytest.mark.parametrize(
    ("language", "text", "named", "line"),
    [
        ("mustache", "a\n{{#items}}x{{/items}}", "{{#items}}", 2),
        ("mustache", "{{> footer}}", "a partial", 1),
        ("mustache", "{{{html}}}", "two brackets, not three", 1),
        ("mustache", "\n\n{{user.name}}", "user.name", 3),
        ("mustache", "{{ first name }}", "first name", 1),
        ("mustache", "{{loop}}", "'loop'", 1),
        ("f-string", "{price:.2f}", "{price:.2f}", None),
        ("f-string", "{name!r}", "{name!r}", None),
        ("f-string", "a\n{user.name}", "user.name", 2),
        ("f-string", "{0}", "'0'", 1),
        ("f-string", "{}", "''", 1),
        ("f-string", 'Answer as {"a": 1}', '{"a": 1}', None),
        ("f-string", "alone }", "double brackets", None),
        ("jinja2", "a\n{% if x %}", "Unexpected end", 2),
        ("jinja2", "{{ x | dump }}", "No filter named 'dump'", 1),
    ],
)
def test_what_has_no_counterpart_is_named(
    language: Language, text: str, named: str, line: int | None
) -> None:
    with pytest.raises(InvalidPrompt) as refused:
        translated(text, language, "template")
    assert named in str(refused.value).replace("\\n", "\n")
    assert line is None or refused.value.line == line


def test_types_of_a_jinja2_template_are_read_off_their_use() -> None:
    text = (
        "{% for item in items %}{{ item }}{% endfor %}{{ user.name }}"
        "{% if not premium %}a{% endif %}{{ x|upper }}"
    )
    made = translated(text, "jinja2", "template")
    assert made.template == text
    assert made.variables == {
        "items": Variable(type="array"),
        "user": Variable(type="object"),
        "premium": Variable(type="boolean", required=False),
        "x": Variable(),
    }
