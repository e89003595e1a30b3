"""The filters a template may use. Each is bounded by the budget of its rendering."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2 import filters as library

from coalmine_schemas.prompts.errors import RenderError, RenderLimitExceeded
from coalmine_schemas.prompts.templating.bounded import Function, bounded, count, number
from coalmine_schemas.prompts.templating.budget import MAX_OUTPUT_CHARS, Budget, RenderContext
from coalmine_schemas.prompts.templating.tests import TESTS
from coalmine_schemas.prompts.templating.text import as_text, to_json

_LONGEST_ATTRIBUTE: Final = 100
_LONGEST_NUMBER: Final = 1000
_LONGEST_TRIMMED: Final = 100
_HASHED_BITS: Final = 60


def replace(budget: Budget, value: Any, old: Any, new: Any, times: int | None = None) -> str:  # noqa: ANN401
    """A text with another in place of one."""
    text, old, new = as_text(value), as_text(old), as_text(new)
    budget.search(2 * len(text), len(old))
    found = text.count(old) if times is None or times < 0 else min(text.count(old), times)
    budget.allow_text(len(text) + found * len(new))
    return text.replace(old, new, -1 if times is None else times)


def join(context: RenderContext, value: Any, d: Any = "", attribute: Any = None) -> str:  # noqa: ANN401
    """The texts of all items, with another between them."""
    items: Iterable[Any] = value
    if attribute is not None:
        _pay_per_item(context.budget, value, attribute)
        items = map(library.make_attrgetter(context.environment, attribute), value)
    texts = [as_text(item) for item in items]
    between = as_text(d)
    context.budget.allow_text(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def trimmed(chars: str | None) -> str | None:
    """The characters to trim, if they are few: each is compared with each of the text.

    Raises:
        RenderLimitExceeded: They are too many.
    """
    if chars is not None and len(chars) > _LONGEST_TRIMMED:
        raise RenderLimitExceeded(f"at most {_LONGEST_TRIMMED} characters can be trimmed")
    return chars


def _pay_per_item(budget: Budget, value: Any, attribute: Any, others: Iterable[Any] = ()) -> None:  # noqa: ANN401
    """Takes what it costs to go through the items in Python.

    Args:
        budget: Of the rendering.
        value: The items.
        attribute: What is looked up in each; `a.b` is two lookups.
        others: Further arguments; one may stand for what an item lacks.
    """
    parts = 0
    if isinstance(attribute, str) and len(attribute) <= _LONGEST_ATTRIBUTE:
        parts = 1 + attribute.count(".") + attribute.count(",")
    elif attribute is not None and not isinstance(attribute, int):
        raise RenderLimitExceeded(f"an attribute is a name of at most {_LONGEST_ATTRIBUTE} characters")
    chars = sum(len(each) for each in others if isinstance(each, str))
    if hasattr(value, "__len__"):
        budget.spend(len(value) * (1 + parts + (chars >> 6)))


def _by_attribute(function: Function, place: int, *, sorts: bool = False) -> Function:
    """A filter of the library that may look at an attribute of each item.

    Args:
        function: The filter, which takes an environment first.
        place: Where the attribute stands among its further arguments.
        sorts: Whether it compares each item with several others.
    """

    def apply(context: RenderContext, value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        attribute = args[place] if len(args) > place else kwargs.get("attribute")
        _pay_per_item(context.budget, value, attribute, (*args, *kwargs.values()))
        if sorts:
            context.budget.sort(value)
        return function(context.environment, value, *args, **kwargs)

    return bounded(apply, passes="context")


def _by_name(function: Function, known: Callable[[], Mapping[str, Function]], place: int) -> Function:
    """A filter of the library that applies another one, or a test, to each item.

    Args:
        function: The filter, which takes a context first.
        known: What it may apply.
        place: Where the name of that stands; an attribute may stand before it.
    """

    def apply(context: RenderContext, value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        attribute = kwargs.get("attribute") if place == 0 else next(iter(args), None)
        _pay_per_item(context.budget, value, attribute)
        if len(args) > place and args[place] not in known():
            raise RenderError(
                f"no {args[place]!s:.40} to apply to each item: use one of {', '.join(known())}"
            )
        return function(context, value, *args, **kwargs)

    return bounded(apply, passes="context")


def _unique(
    environment: Any,  # noqa: ANN401
    value: Iterable[Any],
    case_sensitive: bool = False,
    attribute: Any = None,  # noqa: ANN401
) -> Iterator[Any]:
    """Each item once. The library's would put integers into a set, whose hashes anybody can make collide."""
    postprocess = None if case_sensitive else library.ignore_case
    key_of = library.make_attrgetter(environment, attribute, postprocess=postprocess)
    seen = set()
    for item in value:
        key = key_of(item)
        if not isinstance(key, str | int | float | None):
            raise RenderError(
                f"a {type(key).__name__} cannot be told apart: name an attribute that is a text"
            )
        if isinstance(key, int) and key.bit_length() > _HASHED_BITS:
            key = (hex(key),)
        if key not in seen:
            seen.add(key)
            yield item


def _sum(environment: Any, value: Iterable[Any], attribute: Any = None, start: Any = 0) -> Any:  # noqa: ANN401
    """The sum of numbers. Of lists it would copy the first ones again and again."""
    items = value if attribute is None else map(library.make_attrgetter(environment, attribute), value)
    return sum(map(number, items), number(start))


def _indent(
    budget: Budget,
    value: Any,  # noqa: ANN401
    width: int | str = 4,
    first: bool = False,
    blank: bool = False,
) -> str:
    text = as_text(value)
    margin = width if isinstance(width, str) else " " * count(width, "the width of 'indent'")
    lines = text.splitlines(keepends=True)
    budget.spend(len(lines))
    budget.allow_text(len(text) + (len(lines) + 1) * len(margin))
    return "".join(
        line if (place == 0 and not first) or not (blank or line.strip()) else margin + line
        for place, line in enumerate(lines)
    )


def _title(budget: Budget, value: Any) -> str:  # noqa: ANN401
    text = as_text(value)
    budget.spend(len(text) >> 2)  # word by word, in Python
    return library.do_title(text)


def _wordcount(budget: Budget, value: Any) -> int:  # noqa: ANN401
    text = as_text(value)
    budget.spend(len(text) >> 4)
    return len(text.split())


def _truncate(context: RenderContext, value: Any, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401
    for each in (*args, *kwargs.values()):
        if isinstance(each, int):
            count(each, "an argument of 'truncate'", MAX_OUTPUT_CHARS)
    return library.do_truncate(context.environment, as_text(value), *args, **kwargs)


def _to_number(function: Function) -> Function:
    def convert(value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
            raise RenderLimitExceeded(f"a number has at most {_LONGEST_NUMBER} digits")
        return function(value, *args, **kwargs)

    return bounded(convert)


def _batch(value: Any, linecount: int, fill_with: Any = None) -> Any:  # noqa: ANN401
    return library.do_batch(value, max(1, count(linecount, "the size of 'batch'")), fill_with)


def _slice(value: Any, slices: int, fill_with: Any = None) -> Any:  # noqa: ANN401
    return library.sync_do_slice(value, max(1, count(slices, "the number of 'slice'")), fill_with)


def _round(value: float, precision: int = 0) -> float:
    return round(float(number(value)), count(precision, "the precision of 'round'", 20))


def _tojson(value: Any, indent: int | None = None) -> str:  # noqa: ANN401
    return to_json(value, None if indent is None else count(indent, "the indent of 'tojson'", 8))


def _dictsort(budget: Budget, value: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    budget.sort(value)
    return library.do_dictsort(value, *args, **kwargs)


def _items(value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(value.items())


def _first(value: Any) -> Any:  # noqa: ANN401
    return next(iter(value)) if value else None


def _last(value: Any) -> Any:  # noqa: ANN401
    return next(reversed(value)) if value else None


def _reverse(value: Any) -> Any:  # noqa: ANN401
    return value[::-1] if isinstance(value, str) else list(reversed(value))


FILTERS: Final[dict[str, Function]] = {
    "abs": bounded(abs),
    "batch": bounded(_batch),
    "capitalize": bounded(lambda value: as_text(value).capitalize()),
    "center": bounded(
        lambda value, width=80: as_text(value).center(count(width, "the width of 'center'")),
    ),
    "count": bounded(len),
    "d": bounded(library.do_default, takes_undefined=True),
    "default": bounded(library.do_default, takes_undefined=True),
    "dictsort": bounded(_dictsort, passes="budget"),
    "first": bounded(_first),
    "float": _to_number(library.do_float),
    "groupby": _by_attribute(library.sync_do_groupby, 0, sorts=True),
    "indent": bounded(_indent, passes="budget"),
    "int": _to_number(library.do_int),
    "items": bounded(_items),
    "join": bounded(join, passes="context"),
    "last": bounded(_last),
    "length": bounded(len),
    "list": bounded(list),
    "lower": bounded(lambda value: as_text(value).lower()),
    "map": _by_name(library.sync_do_map, lambda: FILTERS, 0),
    "max": _by_attribute(library.do_max, 1),
    "min": _by_attribute(library.do_min, 1),
    "reject": _by_name(library.sync_do_reject, lambda: TESTS, 0),
    "rejectattr": _by_name(library.sync_do_rejectattr, lambda: TESTS, 1),
    "replace": bounded(replace, passes="budget"),
    "reverse": bounded(_reverse),
    "round": bounded(_round),
    "select": _by_name(library.sync_do_select, lambda: TESTS, 0),
    "selectattr": _by_name(library.sync_do_selectattr, lambda: TESTS, 1),
    "slice": bounded(_slice),
    "sort": _by_attribute(library.do_sort, 2, sorts=True),
    "string": bounded(as_text),
    "sum": _by_attribute(_sum, 0),
    "title": bounded(_title, passes="budget"),
    "tojson": bounded(_tojson),
    "trim": bounded(lambda value, chars=None: as_text(value).strip(trimmed(chars))),
    "truncate": bounded(_truncate, passes="context"),
    "unique": _by_attribute(_unique, 1),
    "upper": bounded(lambda value: as_text(value).upper()),
    "wordcount": bounded(_wordcount, passes="budget"),
}
"""Filters a template may use."""
