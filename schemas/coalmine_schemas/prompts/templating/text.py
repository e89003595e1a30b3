"""How a value is written into a prompt: texts as they are, everything else as JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any

from jinja2 import Undefined

from coalmine_schemas.prompts.errors import RenderError, short


class NothingToWrite(RenderError):
    """A template writes out None, which no reader of a prompt should see."""


def as_text(value: Any) -> str:  # noqa: ANN401 - whatever a template computed
    """The text of a value. Subclasses, such as those of an enum, are written as the plain type.

    Raises:
        NothingToWrite: It is None.
        RenderError: JSON has no such value.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        raise NothingToWrite("None cannot be written out: give the value a default, or ask for it with if")
    if isinstance(value, Undefined):
        return str(value)  # raises, saying what is not defined; an `if` without `else` is an empty text
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    return to_json(value)


def to_json(value: Any, indent: int | None = None) -> str:  # noqa: ANN401
    """A value as JSON.

    Raises:
        RenderError: JSON has no such value.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise RenderError(f"{float.__repr__(value)} cannot be written out: JSON has finite numbers only")
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, default=_plain)
    except ValueError as error:
        raise RenderError("a list or mapping holds nan or inf: JSON has finite numbers only") from error


def _plain(value: object) -> object:
    """Converts mappings other than dict."""
    if isinstance(value, Mapping):
        return dict(value)
    raise RenderError(f"{short(value)} is nothing a template may use: give what JSON can say")
