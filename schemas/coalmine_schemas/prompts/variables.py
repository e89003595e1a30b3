"""What a prompt declares of the values it is rendered with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args

from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import object_of, optional_bool, refuse_unknown, text
from coalmine_schemas.prompts.json_values import JsonObject, JsonValue, check_json

VariableType = Literal["string", "integer", "number", "boolean", "array", "object"]
"""Types of variables, called as in JSON Schema."""

VARIABLE_TYPES: Final[tuple[VariableType, ...]] = get_args(VariableType)


@dataclass(frozen=True, slots=True)
class Variable:
    """What a prompt declares of one variable.

    A variable with a default is never required. One that is not required and has no default is None when no
    value is given.
    """

    type: VariableType = "string"
    """Type of its values."""
    required: bool = True
    """Whether a value must be given."""
    default: JsonValue = None
    """Value when none is given."""
    description: str = ""
    """What it is, for people."""

    def __post_init__(self) -> None:
        if self.type not in VARIABLE_TYPES:
            raise InvalidPrompt("type", self.type, f"give one of {', '.join(VARIABLE_TYPES)}")
        if self.default is not None:
            check_json(self.default, "default")
            if not is_of_type(self.default, self.type):
                raise InvalidPrompt("default", self.default, f"give a value of type {self.type}")
            object.__setattr__(self, "required", False)

    def to_json(self) -> JsonObject:
        """The declaration as JSON, without what is as usual."""
        value: JsonObject = {"type": self.type}
        if self.default is not None:
            value["default"] = self.default
        elif not self.required:
            value["required"] = False
        if self.description:
            value["description"] = self.description
        return value

    @classmethod
    def from_json(cls, value: object, field: str) -> Self:
        """Reads a declaration.

        Raises:
            InvalidPrompt: It is not valid.
        """
        found = object_of(value, field)
        refuse_unknown(found, ("type", "required", "default", "description"), field)
        arguments: dict[str, Any] = {"type": text(found, "type", field, "string")}
        arguments["required"] = optional_bool(found, "required", field, default=True)
        arguments["default"] = found.get("default")
        arguments["description"] = text(found, "description", field, "")
        try:
            return cls(**arguments)
        except InvalidPrompt as error:
            raise error.within(field) from None


def is_of_type(value: object, kind: VariableType) -> bool:
    """Returns True if a value has a declared type. Booleans, NaN and infinity are not numbers."""
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            # An integer is finite, though it may be too large for a float.
            return is_of_type(value, "integer") or (isinstance(value, float) and math.isfinite(value))
        case "array":
            return isinstance(value, list | tuple)
        case "object":
            return isinstance(value, Mapping)
