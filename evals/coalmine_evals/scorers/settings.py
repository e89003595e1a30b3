"""Makes a scorer of settings that somebody wrote, and names what is wrong with them."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import refuse_unknown
from coalmine_schemas.prompts.json_values import JsonValue

Made = TypeVar("Made")


def made(cls: type[Made], settings: Mapping[str, JsonValue]) -> Made:
    """Makes an instance of a dataclass whose fields are settings.

    Raises:
        InvalidPrompt: A setting is not known, has another type, or is not accepted.
    """
    assert is_dataclass(cls)
    refuse_unknown(settings, [each.name for each in fields(cls)], "settings")
    try:
        text = json.dumps(settings, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidPrompt("settings", settings, f"give what JSON can say: {error}") from None
    try:
        return _adapter(cls).validate_json(text, strict=True)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # Of a union the place ends with the kind that was tried.
        place = [str(part) for part in first["loc"] if isinstance(part, int) or str(part).isidentifier()]
        where = ".".join(["settings", *place])
        if first["type"] == "missing":
            raise InvalidPrompt(where, None, "it has to be given") from None
        raise InvalidPrompt(where, first["input"], first["msg"][:1].lower() + first["msg"][1:]) from None
    except InvalidPrompt as error:
        raise error.within("settings") from None


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is not JSON")
