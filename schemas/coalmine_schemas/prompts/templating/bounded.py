"""What makes a function safe for templates: everything that goes in and comes out is weighed."""

from collections.abc import Callable
from itertools import islice
from types import GeneratorType
from typing import Any, Final

from jinja2 import Undefined, pass_context

from coalmine_schemas.prompts.errors import RenderError, RenderLimitExceeded
from coalmine_schemas.prompts.templating.budget import RenderContext

Function = Callable[..., Any]

_MOST: Final = 10_000
_PASSES: Final[dict[str, Callable[[RenderContext], Any]]] = {
    "context": lambda context: context,
    "budget": lambda context: context.budget,
}


def bounded(function: Function, *, passes: str = "", takes_undefined: bool = False) -> Function:
    """The function, with everything that goes in and comes out weighed.

    Args:
        function: A filter or test whose own work grows no faster than what it takes and returns, or that
            spends the rest itself.
        passes: What it takes first: `context`, `budget` or nothing.
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
            result = list(islice(result, budget.remaining + 1))
        if isinstance(result, Undefined):
            return result
        budget.weigh(result)
        return result

    return apply


def count(value: object, what: str, most: int = _MOST) -> int:
    """The value, if it is a width, count or size that a filter may take.

    Raises:
        RenderLimitExceeded: It is not.
    """
    if not isinstance(value, int) or not -most <= value <= most:
        raise RenderLimitExceeded(f"{what} must be an integer of at most {most}")
    return value


def number(value: Any) -> Any:  # noqa: ANN401
    """The value, if it is a number.

    Raises:
        RenderError: It is not.
    """
    if isinstance(value, int | float):
        return value
    raise RenderError(f"a {type(value).__name__} is not a number")
