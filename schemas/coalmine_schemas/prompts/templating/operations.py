"""What templates are rewritten to by `rewrite`: filters under names that no template can write."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jinja2 import Undefined, pass_context

from coalmine_schemas.prompts.errors import RenderError, RenderLimitExceeded
from coalmine_schemas.prompts.templating.bounded import Function, bounded
from coalmine_schemas.prompts.templating.budget import Budget, RenderContext, check_key
from coalmine_schemas.prompts.templating.filters import join, replace, trimmed
from coalmine_schemas.prompts.templating.tests import contains
from coalmine_schemas.prompts.templating.text import as_text


def _iterate(context: RenderContext, value: Any, steps: int) -> Iterator[Any]:  # noqa: ANN401
    """The items of a loop. Each costs what the loop's body costs at worst, without loops inside it."""
    budget = context.budget
    budget.weigh(value)
    if not isinstance(value, str | list | tuple | Mapping):
        raise RenderError(f"a {type(value).__name__} has no items to loop over")
    for item in value:
        budget.spend(steps)
        yield item


def _item(context: RenderContext, value: Any, key: Any) -> Any:  # noqa: ANN401
    """`value[key]` with a key that was computed."""
    if isinstance(key, str):
        context.budget.allow_text(len(key))  # it is hashed and compared
    elif isinstance(key, Undefined):
        str(key)  # raises, saying what is not defined
    else:
        check_key(key)
    return context.environment.getitem(value, key)


def _mapping(value: list[Any]) -> dict[Any, Any]:
    """A mapping from its keys and values in turn."""
    for key in value[::2]:
        check_key(key)
    return dict(zip(value[::2], value[1::2], strict=True))


def _concat(budget: Budget, value: list[Any]) -> str:
    texts = [as_text(item) for item in value]
    budget.allow_text(sum(map(len, texts)))
    return "".join(texts)


def _part(value: Any, start: int | None, stop: int | None, step: int | None) -> Any:  # noqa: ANN401
    return value[start:stop:step]


def _range(budget: Budget, value: list[int]) -> list[int]:
    numbers = range(*value)
    if numbers and abs(numbers[-1] - numbers[0]) // abs(numbers.step) >= budget.remaining:
        raise RenderLimitExceeded("range() has more numbers than there are steps left: loop over fewer")
    return list(numbers)


def _cycle(value: list[Any], index0: int) -> Any:  # noqa: ANN401
    return value[index0 % len(value)]


def _same(context: RenderContext, value: Any) -> Any:  # noqa: ANN401
    """The value, once it was weighed."""
    context.budget.weigh(value)
    return value


def _find(budget: Budget, value: str, wanted: str, *args: int) -> int:
    budget.search(len(value), len(wanted))
    return value.find(wanted, *args)


def _split(budget: Budget, value: str, separator: str | None = None, most: int = -1) -> list[str]:
    budget.search(len(value), 1 if separator is None else len(separator))
    return value.split(separator, most)


def _rsplit(budget: Budget, value: str, separator: str | None = None, most: int = -1) -> list[str]:
    budget.search(len(value), 1 if separator is None else len(separator), backwards=True)
    return value.rsplit(separator, most)


def _get(value: dict[str, Any], key: Any, default: Any = None) -> Any:  # noqa: ANN401
    check_key(key)
    return value.get(key, default)


def _of(kind: type, name: str, function: Function, passes: str = "") -> Function:
    """A method of a built-in type, given only values of this type."""

    def call(*args: Any) -> Any:  # noqa: ANN401
        value = args[1 if passes else 0]
        if not isinstance(value, kind):
            raise RenderError(f"a {type(value).__name__} has no method {name}()")
        return function(*args)

    return bounded(call, passes=passes)


METHODS: Final = {
    **{
        name: _of(str, name, getattr(str, name))
        for name in (
            *("upper", "lower", "title", "capitalize", "startswith", "endswith", "splitlines"),
            *("isdigit", "isalpha", "isupper", "islower"),
        )
    },
    "strip": _of(str, "strip", lambda value, chars=None: value.strip(trimmed(chars))),
    "lstrip": _of(str, "lstrip", lambda value, chars=None: value.lstrip(trimmed(chars))),
    "rstrip": _of(str, "rstrip", lambda value, chars=None: value.rstrip(trimmed(chars))),
    "find": _of(str, "find", _find, "budget"),
    "split": _of(str, "split", _split, "budget"),
    "rsplit": _of(str, "rsplit", _rsplit, "budget"),
    "replace": _of(str, "replace", replace, "budget"),
    "join": _of(str, "join", lambda context, value, items: join(context, items, value), "context"),
    "keys": _of(dict, "keys", list),
    "values": _of(dict, "values", lambda value: list(value.values())),
    "items": _of(dict, "items", lambda value: list(value.items())),
    "get": _of(dict, "get", _get),
}
"""Methods a template may call: `text.upper()`, `order.items()`."""

OPERATIONS: Final = {
    "=loop": pass_context(_iterate),
    "=item": pass_context(_item),
    "=in": bounded(contains, passes="budget"),
    "=mapping": bounded(_mapping),
    "=concat": bounded(_concat, passes="budget"),
    "=slice": bounded(_part),
    "=range": bounded(_range, passes="budget"),
    "=cycle": bounded(_cycle),
    "=same": pass_context(_same),
    **{f"={name}()": function for name, function in METHODS.items()},
}
"""What templates are rewritten to."""
