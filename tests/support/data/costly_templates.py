"""Every filter, test, method and operator with values that make it slow, again and again in a loop.

Run as a program, renders them all without the deadline that is the last resort, so that only what each
operation is charged ends them, and prints what took longest.
"""

import itertools
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from coalmine_schemas.prompts import InvalidPrompt, PromptContent, RenderError, Variable
from coalmine_schemas.prompts.templating import budget, compile_prompt
from coalmine_schemas.prompts.templating.filters import FILTERS
from coalmine_schemas.prompts.templating.operations import METHODS
from coalmine_schemas.prompts.templating.tests import TESTS
from tests.support.data.hostile_templates import no_prompt

_COLLIDING: Final = 2**61 - 1
_LISTS: Final[dict[str, Any]] = {
    "l_range": list(range(20_000)),
    "l_colliding": [k * _COLLIDING for k in range(20_000)],
    "l_huge": [2**255 + k for k in range(20_000)],
    "l_texts": [("x" * 2_000) + str(k) for k in range(200)],
    "l_equal": ["x" * 3_000] * 300,
    "l_mappings": [{"a": {"a": {"a": k}}, "b": "x"} for k in range(4_000)],
    "l_lists": [[k, [k]] for k in range(8_000)],
    "l_deep": [[[[[[[[["x"] * 50] * 5] * 5] * 5]]]]],
}
_TEXTS: Final[dict[str, str]] = {
    "t_long": "a" * 900_000,
    "t_words": "a- " * 200_000,
    "t_lines": "\n" * 300_000,
    "t_half": "a" * 15_000 + "b" + "a" * 14_990,
    "t_short": "a" * 2_400,
    "t_needle": "a" * 7_000 + "c" + "a" * 7_000,
    "t_needle_short": "a" * 600 + "c" + "a" * 600,
    "t_digits": "9" * 900_000,
    "t_format": "%99999999d",
    "t_path": "a." * 40 + "a",
}
_MAPPINGS: Final[dict[str, Any]] = {
    "m_texts": {"x" * 200 + str(k): k for k in range(3_000)},
    "m_long": {"a" * 900_000: 1},
}
_VALUES: Final = {**_LISTS, **_TEXTS, **_MAPPINGS, "n": 2**250}
_VARIABLES: Final = {
    **{name: Variable("array") for name in _LISTS},
    **{name: Variable() for name in _TEXTS},
    **{name: Variable("object") for name in _MAPPINGS},
    "n": Variable("integer"),
}
_ARGUMENTS: Final = (
    *("", "1", "n", "10000", "t_long", "t_needle", "t_needle_short", "t_path", "t_digits", "l_range", "[]"),
    *("'a'", "'a', t_long", "'', t_short", "t_needle, 'x'", "1, t_long", "0, 36", "1, 1, 'a'", "m_texts"),
    *("attribute='a'", "attribute=t_path", "attribute='a.a.a'", "attribute=t_path, default={}", "start=[]"),
    *(
        "true",
        "'replace', 'a', t_needle",
        "'sort'",
        "'unique'",
        "'title'",
        "'center', 10000",
        "'=item', t_long",
    ),
    *("'a', 'in', t_long", "'b', 'eq', t_long", "'odd'", "'in', l_range", "'map', 'map', 'map', 'list'"),
)
_METHOD_ARGUMENTS: Final = (
    "",
    "'a'",
    "t_long",
    "t_needle",
    "t_needle_short",
    "t_half",
    "l_range",
    "'a', 1",
    "1",
    "l_texts",
)
_OPERATORS: Final = ("+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "not in", "and", "or")


def expressions() -> Iterator[str]:
    """Every case."""
    for name, value, arguments in itertools.product(FILTERS, _VALUES, _ARGUMENTS):
        yield f"{value}|{name}({arguments})"
    for name, value, arguments in itertools.product(
        TESTS, _VALUES, ("", "(2)", "(t_needle)", "(t_half)", "(l_huge)")
    ):
        yield f"{value} is {name}{arguments}"
    for name, value, arguments in itertools.product(METHODS, [*_TEXTS, *_MAPPINGS], _METHOD_ARGUMENTS):
        yield f"{value}.{name}({arguments})"
    for operator, left, right in itertools.product(_OPERATORS, _VALUES, _VALUES):
        yield f"{left} {operator} {right}"
    for value, key in itertools.product(_VALUES, [*_VALUES, "'a'", "5", "-1", "(1, 2)", "none"]):
        yield f"{value}[{key}]"
    for value, part in itertools.product(_VALUES, ("1:", "::-1", ":n", "::t_long")):
        yield f"{value}[{part}]"
    for shape in (
        "[{}] * 2",
        "{{'a': {}}}",
        "[{0}, {0}]|tojson",
        "{} if {} else {}",
        "({0}, {0})|list",
        "range({})",
    ):
        for value in _VALUES:
            yield shape.format(*[value] * 3)


def cost_s(expression: str) -> tuple[float, str]:
    """Processor time of an expression, computed until what it is charged ends that, and how it ended."""
    source = f"{{% for i in range(60000) %}}{{% set x = {expression} %}}{{% endfor %}}"
    began_s = time.thread_time()
    try:
        used = {name: each for name, each in _VARIABLES.items() if name in re.findall(r"\w+", expression)}
        prompt = compile_prompt(PromptContent(template=source, variables=used), no_prompt)
        prompt.render({name: _VALUES[name] for name in used})
    except (InvalidPrompt, RenderError) as error:
        return time.thread_time() - began_s, str(error)
    return time.thread_time() - began_s, ""


def main() -> None:
    """Try every nth, from the first of them on; print how many there were, and the most expensive one."""
    first, step = int(sys.argv[1]), int(sys.argv[2])
    budget.MAX_CPU_S = float("inf")  # type: ignore[misc]
    found = [(*cost_s(each), each) for each in itertools.islice(expressions(), first, None, step)]
    cost, end, expression = max(found)
    sys.stdout.write(f"{len(found)}\n{cost:.3f}\n{expression} ({end:.100})\n")


if __name__ == "__main__":
    main()
