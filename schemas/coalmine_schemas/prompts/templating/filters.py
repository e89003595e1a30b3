"""The filters and tests a template may use. Each is bounded by the budget of its rendering."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import GeneratorType
from typing import Any, Final, cast

from jinja2 import Undefined, pass_context
from jinja2 import filters as library
from jinja2.tests import TESTS

from coalmine_schemas.prompts.errors import RenderError, RenderLimitExceeded
from coalmine_schemas.prompts.templating.budget import Budget, RenderContext

Function = Callable[..., Any]

_MOST: Final = 10_000
"""Largest width, count or size a filter takes as argument."""


_PASSES: Final[dict[str, Callable[[RenderContext], Any]]] = {
    "context": lambda context: context,
    "budget": lambda context: context.budget,
    "environment": lambda context: context.environment,
}


def _bounded(function: Function, *, passes: str = "", takes_undefined: bool = False) -> Function:
    """The function, with everything that goes in and comes out weighed.

    Args:
        function: A filter or test.
        passes: What it takes first: `context`, `budget`, `environment` or nothing.
        takes_undefined: Whether its value may be undefined.
    """
    find = _PASSES.get(passes)

    @pass_context
    def apply(context: RenderContext, value: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        budget = context.budget
        if not (takes_undefined and isinstance(value, Undefined)):
            budget.weigh(value)
        for each in args:
            budget.weigh(each)
        for each in kwargs.values():
            budget.weigh(each)
        if find is None:
            result = function(value, *args, **kwargs)
        else:
            result = function(find(context), value, *args, **kwargs)
        if isinstance(result, GeneratorType):
            result = list(islice(result, budget.steps + 1))
        if isinstance(result, Undefined):
            return result
        budget.weigh(result)
        return result

    return apply


def _count(value: object, what: str, most: int = _MOST) -> int:
    if not isinstance(value, int) or not -most <= value <= most:
        raise RenderLimitExceeded(f"{what} must be an integer of at most {most}")
    return value


def _text(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else str(value)


def _center(budget: Budget, value: Any, width: int = 80) -> str:  # noqa: ANN401
    return _text(value).center(_count(width, "the width of 'center'"))


def _indent(
    budget: Budget,
    value: Any,  # noqa: ANN401
    width: int | str = 4,
    first: bool = False,
    blank: bool = False,
) -> str:
    text = _text(value)
    margin = width if isinstance(width, str) else " " * _count(width, "the width of 'indent'")
    lines = text.splitlines(keepends=True)
    budget.allow_text(len(text) + (len(lines) + 1) * len(margin))
    return "".join(
        line if (place == 0 and not first) or not (blank or line.strip()) else margin + line
        for place, line in enumerate(lines)
    )


def _join(context: RenderContext, value: Any, d: str = "", attribute: Any = None) -> str:  # noqa: ANN401
    items: Iterable[Any] = value
    if attribute is not None:
        items = map(library.make_attrgetter(context.environment, attribute), value)
    texts = [_text(_strict(item)) for item in items]
    context.budget.allow_text(sum(map(len, texts)) + len(_text(d)) * len(texts))
    return _text(d).join(texts)


def _strict(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Undefined):
        str(value)  # raises, saying what is not defined
    return value


def _replace(budget: Budget, value: Any, old: str, new: str, count: int | None = None) -> str:  # noqa: ANN401
    text, old, new = _text(value), _text(old), _text(new)
    times = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    budget.allow_text(len(text) + times * len(new))
    return text.replace(old, new, -1 if count is None else count)


def _batch(value: Any, linecount: int, fill_with: Any = None) -> Any:  # noqa: ANN401
    size = max(1, _count(linecount, "the size of 'batch'"))
    return library.do_batch(value, size, fill_with)


def _slice(value: Any, slices: int, fill_with: Any = None) -> Any:  # noqa: ANN401
    return library.sync_do_slice(value, max(1, _count(slices, "the number of 'slice'")), fill_with)


def _round(value: float, precision: int = 0) -> float:
    return round(float(value), _count(precision, "the precision of 'round'", 20))


def _tojson(value: Any, indent: int | None = None) -> str:  # noqa: ANN401
    if indent is not None:
        indent = _count(indent, "the indent of 'tojson'", 8)
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise RenderError(f"{type(value).__name__} is not JSON")


def _items(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(value.items())


def _first(value: Any) -> Any:  # noqa: ANN401
    return next(iter(value)) if value else None


def _last(value: Any) -> Any:  # noqa: ANN401
    return list(value)[-1] if value else None


def _sort_of(function: Function) -> Function:
    return _bounded(function, passes="environment")


# What templates are rewritten to by `rewrite`; no name that a template can write.


def _iterate(context: RenderContext, value: Any, static_chars: int) -> Iterator[Any]:  # noqa: ANN401
    """The items of a loop: each costs a step and the plain text of the loop's body."""
    budget = context.budget
    budget.weigh(value)
    if not isinstance(value, str | list | tuple | Mapping):
        raise RenderError(f"a {type(value).__name__} has no items to loop over")
    for item in value:
        budget.spend(1)
        budget.write(static_chars)
        yield item


def _concat(budget: Budget, value: list[Any]) -> str:
    texts = [_text(item) for item in value]
    budget.allow_text(sum(map(len, texts)))
    return "".join(texts)


def _part(value: Any, start: int | None, stop: int | None, step: int | None) -> Any:  # noqa: ANN401
    return value[start:stop:step]


def _range(budget: Budget, value: list[int]) -> list[int]:
    numbers = range(*value)
    if numbers and abs(numbers[-1] - numbers[0]) // abs(numbers.step) >= budget.steps:
        raise RenderLimitExceeded("range() has more numbers than there are steps left: loop over fewer")
    return list(numbers)


def _cycle(value: list[Any], index0: int) -> Any:  # noqa: ANN401
    return value[index0 % len(value)]


def _same(context: RenderContext, value: Any) -> Any:  # noqa: ANN401
    """The value, once it was weighed."""
    context.budget.weigh(value)
    return value


def _method(kind: type, name: str) -> Function:
    """A method of a built-in type, given only values of this type."""
    function = getattr(kind, name)

    def call(value: Any, *args: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, kind):
            raise RenderError(f"a {type(value).__name__} has no method {name}()")
        result = function(value, *args)
        return list(result) if name in ("keys", "values", "items") else result

    return _bounded(call)


METHODS: Final = {
    **{
        name: _method(str, name)
        for name in (
            *("upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "startswith", "endswith"),
            *("split", "rsplit", "splitlines", "find", "isdigit", "isalpha", "isupper", "islower"),
        )
    },
    **{name: _method(dict, name) for name in ("keys", "values", "items", "get")},
    "replace": _bounded(_replace, passes="budget"),
    "join": _bounded(lambda context, value, items: _join(context, items, value), passes="context"),
}
"""Methods a template may call: `text.upper()`, `order.items()`."""

INTERNAL: Final = {
    "=loop": pass_context(_iterate),
    "=concat": _bounded(_concat, passes="budget"),
    "=slice": _bounded(_part),
    "=range": _bounded(_range, passes="budget"),
    "=cycle": _bounded(_cycle),
    "=same": pass_context(_same),
    **{f"={name}()": function for name, function in METHODS.items()},
}
"""What templates are rewritten to."""

FILTERS: Final = {
    "abs": _bounded(abs),
    "batch": _bounded(_batch),
    "capitalize": _bounded(library.do_capitalize),
    "center": _bounded(_center, passes="budget"),
    "count": _bounded(len),
    "d": _bounded(library.do_default, takes_undefined=True),
    "default": _bounded(library.do_default, takes_undefined=True),
    "dictsort": _bounded(library.do_dictsort),
    "first": _bounded(_first),
    "float": _bounded(library.do_float),
    "groupby": _sort_of(library.sync_do_groupby),
    "indent": _bounded(_indent, passes="budget"),
    "int": _bounded(library.do_int),
    "items": _bounded(_items),
    "join": _bounded(_join, passes="context"),
    "last": _bounded(_last),
    "length": _bounded(len),
    "list": _bounded(list),
    "lower": _bounded(library.do_lower),
    "map": _bounded(library.sync_do_map, passes="context"),
    "max": _sort_of(library.do_max),
    "min": _sort_of(library.do_min),
    "reject": _bounded(library.sync_do_reject, passes="context"),
    "rejectattr": _bounded(library.sync_do_rejectattr, passes="context"),
    "replace": _bounded(_replace, passes="budget"),
    "reverse": _bounded(lambda value: value[::-1] if isinstance(value, str) else list(reversed(value))),
    "round": _bounded(_round),
    "select": _bounded(library.sync_do_select, passes="context"),
    "selectattr": _bounded(library.sync_do_selectattr, passes="context"),
    "slice": _bounded(_slice),
    "sort": _sort_of(library.do_sort),
    "string": _bounded(_text),
    "sum": _sort_of(library.sync_do_sum),
    "title": _bounded(library.do_title),
    "tojson": _bounded(_tojson),
    "trim": _bounded(library.do_trim),
    "truncate": _sort_of(library.do_truncate),
    "unique": _sort_of(library.do_unique),
    "upper": _bounded(library.do_upper),
    "wordcount": _sort_of(lambda environment, value: len(_text(value).split())),
}
"""Filters a template may use."""

_TEST_NAMES: Final = (
    *(
        "boolean",
        "defined",
        "divisibleby",
        "eq",
        "equalto",
        "even",
        "false",
        "float",
        "ge",
        "gt",
        "greaterthan",
    ),
    *("in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd"),
    *("sequence", "string", "true", "undefined", "upper"),
)

ALLOWED_TESTS: Final = {
    name: _bounded(cast(Function, TESTS[name]), takes_undefined=name in ("defined", "undefined"))
    for name in _TEST_NAMES
}
"""Tests a template may use."""
