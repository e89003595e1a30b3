"""The sandbox: an environment of Jinja2 in which a template reaches values and nothing else.

Jinja2's own sandbox refuses private attributes and unsafe calls of any object. Ours goes further, as it
can since prompts only need values that JSON can hold: no attribute of any object is read, no object is
called, and every operation is counted. `rewrite` converts templates to that form.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from coalmine_schemas.prompts.errors import RenderError, RenderLimitExceeded, short
from coalmine_schemas.prompts.templating.budget import MAX_INTEGER_BITS, RenderContext
from coalmine_schemas.prompts.templating.filters import FILTERS
from coalmine_schemas.prompts.templating.operations import OPERATIONS
from coalmine_schemas.prompts.templating.tests import TESTS
from coalmine_schemas.prompts.templating.text import as_text

LOOP_ATTRIBUTES: Final = frozenset(
    {"depth", "first", "index", "index0", "last", "length", "nextitem", "previtem", "revindex", "revindex0"}
)
"""What a template may ask `loop`."""

_NUMBERS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


@pass_context
def _finalize(context: RenderContext, value: Any) -> str:  # noqa: ANN401
    """A value as it is written out."""
    if type(value) is not str:
        context.budget.weigh(value)
        value = as_text(value)
    context.budget.steps -= 1
    context.budget.write(len(value))
    return value  # type: ignore[no-any-return]


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """The environment all prompts are compiled in; stateless, shared by all threads."""

    context_class = RenderContext
    intercepted_binops = frozenset(_NUMBERS)
    intercepted_unops = frozenset({"+", "-"})

    def __init__(self) -> None:
        super().__init__(
            autoescape=False,  # prompts are no HTML
            keep_trailing_newline=True,
            undefined=StrictUndefined,
            finalize=_finalize,
            cache_size=0,
            auto_reload=False,
        )
        self.globals = {}
        self.filters = {**FILTERS, **OPERATIONS}
        self.tests = dict(TESTS)
        self.policies = {"truncate.leeway": 5}

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401
        """`value.name`: an entry of a mapping, or a fact about a loop. Never an attribute of an object."""
        if type(obj) is dict and attribute in obj:  # by far the most frequent
            return obj[attribute]
        if isinstance(obj, LoopContext) and attribute in LOOP_ATTRIBUTES:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401
        """`value[key]`: an entry of a mapping, a list or a text. The key is a constant, or was checked."""
        if isinstance(obj, Undefined):
            str(obj)  # raises, saying what is not defined
        try:
            if isinstance(obj, Mapping) or (
                isinstance(obj, list | tuple | str) and isinstance(argument, int)
            ):
                return obj[argument]
        except (LookupError, TypeError):
            pass
        return self.undefined(f"a {type(obj).__name__} without {short(argument)}")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        """Numbers by numbers; texts and lists are only added, texts repeated."""
        budget = context.budget  # type: ignore[attr-defined]
        budget.weigh(left)
        budget.weigh(right)
        if _is_number(left) and _is_number(right):
            if operator == "**" and isinstance(right, int):
                bits = left.bit_length() if isinstance(left, int) else 1
                if abs(right) * bits > MAX_INTEGER_BITS:
                    raise RenderLimitExceeded(f"a power has more than {MAX_INTEGER_BITS} bits")
        elif operator == "+" and isinstance(left, str) and isinstance(right, str):
            budget.allow_text(len(left) + len(right))
        elif operator == "*" and isinstance(left, str) and isinstance(right, int):
            budget.allow_text(len(left) * right)
        elif operator == "*" and isinstance(left, int) and isinstance(right, str):
            budget.allow_text(left * len(right))
        elif not (operator == "+" and isinstance(left, list) and isinstance(right, list)):
            raise RenderError(f"{type(left).__name__} {operator} {type(right).__name__} cannot be computed")
        result = _NUMBERS[operator](left, right)
        budget.weigh(result)
        return result

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:  # noqa: ANN401
        """Signs of numbers."""
        context.budget.weigh(arg)  # type: ignore[attr-defined]
        if not _is_number(arg):
            raise RenderError(f"{operator}{type(arg).__name__} cannot be computed")
        return -arg if operator == "-" else arg

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401, N805
        """Nothing is called: `rewrite` leaves no call."""
        raise SecurityError(f"a template may not call a {type(__obj).__name__}")


class Generator(CodeGenerator):
    """Generates the Python code of a template, and notes which names it takes from outside on the way.

    Without Jinja2's optimizer, which computes at compile time, and costs the square of the nesting.
    """

    def __init__(self, environment: PromptEnvironment, name: str) -> None:
        super().__init__(environment, name, "<template>", optimized=False)
        self.undeclared: set[str] = set()

    def enter_frame(self, frame: Frame) -> None:
        """Notes the names that a scope resolves."""
        super().enter_frame(frame)
        self.undeclared.update(
            name for action, name in frame.symbols.loads.values() if action == "resolve" and name
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
