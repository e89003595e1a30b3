"""What one version of a prompt is: templates, declared variables, model, parameters; and its digest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Literal, Self

from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of, optional_text, refuse_unknown, text
from coalmine_schemas.prompts.json_values import JsonObject, JsonValue, canonical_json, check_json
from coalmine_schemas.prompts.variables import Variable

PromptKind = Literal["text", "chat"]

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ROLE: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_RESERVED: Final = frozenset(
    {
        *("False", "None", "True", "false", "none", "true", "and", "if", "in", "is", "not", "or"),
        *("caller", "context", "kwargs", "loop", "range", "self", "varargs"),
    }
)
_MOST_MESSAGES: Final = 100
_MOST_VARIABLES: Final = 200
_KEYS: Final = ("template", "messages", "variables", "model", "parameters", "output_schema", "metadata")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt."""

    role: str
    """E.g. `system`, `user`, `assistant`."""
    template: str
    """Jinja2."""


@dataclass(frozen=True, slots=True)
class PromptContent:
    """One version of a prompt: either one template (`text`) or messages (`chat`).

    Raises:
        InvalidPrompt: A part of it cannot be taken. Templates are only read by `includes` and by
            `templating.check_template`.
    """

    template: str | None = None
    """Jinja2, for a text prompt."""
    messages: tuple[Message, ...] = ()
    """For a chat prompt."""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    """What the templates may be given, by name."""
    model: str | None = None
    """Model it is meant for, e.g. `gpt-4o-mini`."""
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    """Parameters of the model, e.g. `temperature`."""
    output_schema: Mapping[str, JsonValue] | None = None
    """JSON Schema of the answer."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    """Anything else, for people and tools."""

    def __post_init__(self) -> None:
        _check_templates(self.template, self.messages)
        _check_variables(self.variables)
        if self.model == "":
            raise InvalidPrompt("model", self.model, "give the name of a model, or leave it out")
        for name in ("model", "parameters", "output_schema", "metadata"):
            value = getattr(self, name)
            check_json(value, name)
            if name in ("parameters", "metadata") or (name == "output_schema" and value is not None):
                object_of(value, name)

    @property
    def kind(self) -> PromptKind:
        """`text` has one template, `chat` has messages."""
        return "chat" if self.messages else "text"

    def templates(self) -> tuple[tuple[str, str], ...]:
        """Each template with the name of its field, e.g. `messages[0].template`."""
        if self.template is not None:
            return (("template", self.template),)
        return tuple((f"messages[{i}].template", message.template) for i, message in enumerate(self.messages))

    def to_json(self) -> JsonObject:
        """The content as JSON without fields that say nothing: one added later changes no digest."""
        value: JsonObject = {}
        if self.template is not None:
            value["template"] = self.template
        if self.messages:
            value["messages"] = [{"role": each.role, "template": each.template} for each in self.messages]
        if self.variables:
            value["variables"] = {name: variable.to_json() for name, variable in self.variables.items()}
        if self.model is not None:
            value["model"] = self.model
        if self.parameters:
            value["parameters"] = dict(self.parameters)
        if self.output_schema is not None:
            value["output_schema"] = dict(self.output_schema)
        if self.metadata:
            value["metadata"] = dict(self.metadata)
        return value

    @classmethod
    def from_json(cls, value: object, field: str = "") -> Self:
        """Reads a content.

        Args:
            value: As `to_json` writes it.
            field: Where it stands, for errors.

        Raises:
            InvalidPrompt: It is not valid; names the field, its value and what to write instead.
        """
        prefix = f"{field}." if field else ""
        found = object_of(value, field or "content")
        refuse_unknown(found, _KEYS, field)
        messages = []
        for place, each in enumerate(list_of(found.get("messages") or (), f"{prefix}messages")):
            where = f"{prefix}messages[{place}]"
            message = object_of(each, where)
            refuse_unknown(message, ("role", "template"), where)
            messages.append(Message(text(message, "role", where), text(message, "template", where)))
        variables = {
            name: Variable.from_json(each, f"{prefix}variables.{name}")
            for name, each in object_of(_or_empty(found.get("variables")), f"{prefix}variables").items()
        }
        schema = found.get("output_schema")
        try:
            return cls(
                template=optional_text(found, "template", field),
                messages=tuple(messages),
                variables=variables,
                model=optional_text(found, "model", field),
                parameters=object_of(_or_empty(found.get("parameters")), "parameters"),
                output_schema=None if schema is None else object_of(schema, "output_schema"),
                metadata=object_of(_or_empty(found.get("metadata")), "metadata"),
            )
        except InvalidPrompt as error:
            if not field or error.field.startswith(prefix):
                raise
            raise error.within(field) from None

    def digest(self) -> str:
        """`sha256:<hex>` over the canonical JSON: the same for the same content everywhere."""
        return f"sha256:{sha256(canonical_json(self.to_json())).hexdigest()}"

    def includes(self) -> tuple[str, ...]:
        """The prompts its templates include, `name@version`, each once.

        Raises:
            InvalidTemplate: A template cannot be read, or an include names no exact version in plain text.
        """
        # With Jinja2, which is not loaded for whoever only imports names.
        from coalmine_schemas.prompts.syntax import included_references  # noqa: PLC0415

        found: dict[str, None] = {}
        for name, source in self.templates():
            found.update(dict.fromkeys(included_references(source, name)))
        return tuple(found)


def _or_empty(value: Any) -> Any:  # noqa: ANN401 - whatever JSON held
    return {} if value is None else value


def _check_templates(template: object, messages: tuple[Message, ...]) -> None:
    if (template is None) == (not messages):
        raise InvalidPrompt(
            "template",
            "missing" if template is None else "given beside messages",
            "give either one template (a text prompt) or messages (a chat prompt)",
        )
    if len(messages) > _MOST_MESSAGES:
        raise InvalidPrompt("messages", f"a list of {len(messages)}", f"give at most {_MOST_MESSAGES}")
    for place, message in enumerate(messages):
        if not _ROLE.fullmatch(message.role):
            raise InvalidPrompt(
                f"messages[{place}].role", message.role, "give a role, e.g. system, user or assistant"
            )
        _check_source(message.template, f"messages[{place}].template")
    if template is not None:
        _check_source(template, "template")


def _check_source(source: object, where: str) -> None:
    if not isinstance(source, str):
        raise InvalidPrompt(where, source, "give a text")
    from coalmine_schemas.prompts.syntax import MAX_TEMPLATE_CHARS  # noqa: PLC0415 - as in `includes`

    if len(source) > MAX_TEMPLATE_CHARS:
        raise InvalidPrompt(where, source, f"a template has at most {MAX_TEMPLATE_CHARS} characters")
    check_json(source, where)


def _check_variables(variables: Mapping[str, Variable]) -> None:
    if len(variables) > _MOST_VARIABLES:
        raise InvalidPrompt("variables", f"a list of {len(variables)}", f"declare at most {_MOST_VARIABLES}")
    for name in variables:
        check_variable_name(name)


def check_variable_name(name: str) -> str:
    """The name, if a variable may have it.

    Raises:
        InvalidPrompt: It may not.
    """
    if not _VARIABLE_NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidPrompt(
            "the name of a variable",
            name,
            "begin with a letter, go on with letters, digits and '_', at most 64 in all, and use no word "
            "of Jinja2's own such as 'loop'",
        )
    return name
