"""From the content of a prompt to something that renders: compiled once, used by all threads."""

from collections.abc import Mapping
from io import StringIO
from typing import Any, Final, cast

from jinja2 import TemplateError, UndefinedError, nodes
from jinja2.exceptions import SecurityError

from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import (
    InvalidTemplate,
    InvalidVariable,
    MissingVariables,
    RenderError,
    short,
)
from coalmine_schemas.prompts.json_values import is_unicode
from coalmine_schemas.prompts.templating.budget import Budget
from coalmine_schemas.prompts.templating.environment import Generator, PromptEnvironment
from coalmine_schemas.prompts.templating.rewrite import Lookup, Rewriter
from coalmine_schemas.prompts.templating.text import NothingToWrite
from coalmine_schemas.prompts.variables import Variable, is_of_type

_ENVIRONMENT: Final = PromptEnvironment()


class CompiledPrompt:
    """A prompt ready to be rendered. Thread-safe.

    Made by `compile_prompt`.
    """

    __slots__ = ("_defaults", "_names", "_roles", "_templates", "kind", "variables")

    def __init__(
        self, content: PromptContent, templates: list[Any], variables: Mapping[str, Variable]
    ) -> None:
        self.kind = content.kind
        """`text` renders to one text, `chat` to messages."""
        self._roles = [message.role for message in content.messages]
        self._templates = templates
        self.variables = variables
        """What it declares, with what it includes."""
        self._names = [(name, variable.type, variable.required) for name, variable in variables.items()]
        self._defaults = {name: each.default for name, each in variables.items() if not each.required}

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text of a text prompt; of a chat prompt its messages' texts, a blank line between them.

        Args:
            variables: Values by name. Others than the declared ones are ignored.

        Raises:
            MissingVariables: Values that have to be given were not; names all of them.
            InvalidVariable: A value has another type than declared.
            RenderLimitExceeded: Too much output or work.
            RenderError: The template fails with these values.
        """
        budget = Budget()
        values = self._values(variables, budget)
        if len(self._templates) == 1:
            return _render(self._templates[0], values, budget)
        return "\n\n".join(_render(template, values, budget) for template in self._templates)

    def messages(self, variables: Mapping[str, Any]) -> list[dict[str, str]]:
        """The messages of a chat prompt, `role` and `content`; a text prompt is one message of the user.

        Args:
            variables: Values by name. Others than the declared ones are ignored.

        Raises:
            MissingVariables: Values that have to be given were not; names all of them.
            InvalidVariable: A value has another type than declared.
            RenderLimitExceeded: Too much output or work.
            RenderError: The template fails with these values.
        """
        budget = Budget()
        values = self._values(variables, budget)
        return [
            {"role": role, "content": _render(template, values, budget)}
            for role, template in zip(self._roles or ["user"], self._templates, strict=True)
        ]

    def unknown(self, variables: Mapping[str, Any]) -> list[str]:
        """Returns the names of values that the prompt does not declare, and so ignores."""
        return [name for name in variables if name not in self.variables]

    def _values(self, given: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
        values: dict[str, Any] = dict(self._defaults)
        missing = []
        for name, kind, required in self._names:
            if name in given:
                value = given[name]
                if value is None and not required:
                    continue
                if not is_of_type(value, kind):
                    raise InvalidVariable(f"variable {name} is {short(value)}: give a value of type {kind}")
                if kind != "string" and kind != "boolean":  # noqa: PLR1714 - the fast form
                    budget.weigh(value)
                values[name] = value
            elif required:
                missing.append(name)
        if missing:
            raise MissingVariables(missing)
        return values


def compile_prompt(content: PromptContent, lookup: Lookup) -> CompiledPrompt:
    """Makes a prompt ready to be rendered. Takes a millisecond or more: keep the result.

    Variables that included prompts declare join those of the prompt itself, whose own declaration wins.

    Args:
        content: The prompt.
        lookup: Content of an included `name@version`; raises KeyError if it is unknown.

    Raises:
        InvalidTemplate: A template is not valid, does what a prompt may not do, uses an undeclared variable,
            or includes what does not exist, too deep or in a cycle.
    """
    rewriter = Rewriter(lookup)
    trees = [(field, rewriter.template(field, source)) for field, source in content.templates()]
    variables = _all_variables(content, rewriter.included)
    return CompiledPrompt(content, [_compile(field, tree, variables) for field, tree in trees], variables)


def check_template(content: PromptContent, lookup: Lookup) -> None:
    """Rejects at registration what would fail, or be rejected, with any values.

    Args:
        content: The prompt.
        lookup: Content of an included `name@version`; raises KeyError if it is unknown.

    Raises:
        InvalidTemplate: As for `compile_prompt`.
    """
    compile_prompt(content, lookup)


def _all_variables(content: PromptContent, included: Mapping[str, PromptContent]) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for reference, each in included.items():
        for name, variable in each.variables.items():
            own = content.variables.get(name) or found.setdefault(name, variable)
            if own.type != variable.type:
                raise InvalidTemplate(
                    f"variables.{name}.type",
                    own.type,
                    f"{reference}, which is included, wants {variable.type}",
                )
    return {**found, **content.variables}


def _compile(field: str, tree: nodes.Template, variables: Mapping[str, Variable]) -> Any:  # noqa: ANN401
    tree.set_environment(_ENVIRONMENT)
    generator = Generator(_ENVIRONMENT, field)
    try:
        generator.visit(tree)
        code = compile(cast(StringIO, generator.stream).getvalue(), "<template>", "exec")
    except (TemplateError, SyntaxError, RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise InvalidTemplate(field, "a template", f"it cannot be compiled: {error!s:.200}") from error
    undeclared = sorted(generator.undeclared - set(variables) - {"loop"})
    if undeclared:
        lines = (each.lineno for each in tree.find_all(nodes.Name) if each.name in undeclared)
        raise InvalidTemplate(
            field, f"using {', '.join(undeclared)}", "declare each of them under variables, or take it out"
        ).at_line(min(lines, default=None))
    return _ENVIRONMENT.template_class.from_code(_ENVIRONMENT, code, {}, None)


def _render(template: Any, values: dict[str, Any], budget: Budget) -> str:  # noqa: ANN401
    context = _ENVIRONMENT.context_class(_ENVIRONMENT, values, None, {})
    context.budget = budget
    before = budget.chars
    try:
        text = "".join(template.root_render_func(context))
    except NothingToWrite as error:
        empty = ", ".join(name for name, value in values.items() if value is None)
        raise RenderError(f"{error} (no value was given for {empty})" if empty else str(error)) from None
    except RenderError:
        raise
    except UndefinedError as error:
        raise RenderError(f"the template uses what is not there: {error.message!s:.200}") from error
    except SecurityError as error:
        raise RenderError(f"the template does what it may not do: {error!s:.200}") from error
    except Exception as error:
        # Whatever else an operation of a template may raise on odd values, e.g. a division by zero.
        what = f"{type(error).__name__}: {error!s:.200}"
        raise RenderError(f"the template fails with these values: {what}") from error
    budget.write(max(0, len(text) - (before - budget.chars)))  # the template's own text
    if not is_unicode(text):
        raise RenderError("the text holds half a surrogate pair, which no request can carry: give whole ones")
    return text
