"""The tests a template may use, as in `x is defined`. Each is bounded by the budget of its rendering."""

from collections.abc import Mapping
from typing import Any, Final, cast

from jinja2.tests import TESTS as LIBRARY

from coalmine_schemas.prompts.errors import RenderError
from coalmine_schemas.prompts.templating.bounded import Function, bounded, number
from coalmine_schemas.prompts.templating.budget import Budget, check_key
from coalmine_schemas.prompts.templating.text import as_text


def contains(budget: Budget, item: Any, container: Any) -> bool:  # noqa: ANN401
    """Whether a text, list or mapping has something in it.

    Raises:
        RenderError: It can have nothing in it.
    """
    if isinstance(container, str) and isinstance(item, str):
        budget.search(len(container), len(item))
    elif isinstance(container, Mapping):
        check_key(item)
    elif not isinstance(container, list | tuple):
        raise RenderError(f"a {type(container).__name__} has no {type(item).__name__} in it")
    return item in container


_PLAIN: Final = (
    *("boolean", "eq", "equalto", "false", "float", "ge", "gt", "greaterthan", "integer", "iterable", "le"),
    *("lessthan", "lt", "mapping", "ne", "none", "number", "sequence", "string", "true"),
)

TESTS: Final = {
    **{name: bounded(cast(Function, LIBRARY[name])) for name in _PLAIN},
    **{
        name: bounded(cast(Function, LIBRARY[name]), takes_undefined=True)
        for name in ("defined", "undefined")
    },
    # `%` of a text would be a format.
    "divisibleby": bounded(lambda value, by: number(value) % number(by) == 0),
    "even": bounded(lambda value: number(value) % 2 == 0),
    "odd": bounded(lambda value: number(value) % 2 == 1),
    "in": bounded(contains, passes="budget"),
    "lower": bounded(lambda value: as_text(value).islower()),
    "upper": bounded(lambda value: as_text(value).isupper()),
}
"""Tests a template may use."""
