"""Values that JSON can hold, and their canonical text, from which digests are computed."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from coalmine_schemas.prompts.errors import InvalidPrompt

if TYPE_CHECKING:
    JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
    """What JSON can say."""
else:
    JsonValue: TypeAlias = Any  # pydantic, which reads results, cannot follow an alias into itself

JsonObject: TypeAlias = dict[str, JsonValue]
"""What a JSON object becomes."""

_DEEPEST: Final = 32
_INTEGER_BITS: Final = 1024


def check_json(value: object, field: str, *, depth: int = 0) -> None:  # noqa: PLR0912 - one case per kind
    """Rejects what JSON cannot hold, or not in a readable size.

    Args:
        value: Any value.
        field: What to call it in the error.
        depth: How deep within a larger value.

    Raises:
        InvalidPrompt: A number is not finite, a key or text is not text, or it nests too deep.
    """
    match value:
        case None | bool():
            return
        case str():
            if not is_unicode(value):
                raise InvalidPrompt(field, value, "it holds half a surrogate pair, which UTF-8 cannot say")
        case int():
            if value.bit_length() > _INTEGER_BITS:
                raise InvalidPrompt(field, value, f"give integers of at most {_INTEGER_BITS} bits")
        case float():
            if not math.isfinite(value):
                raise InvalidPrompt(field, value, "JSON has finite numbers only")
        case Mapping() | list() | tuple() if depth >= _DEEPEST:
            raise InvalidPrompt(field, value, f"it nests deeper than {_DEEPEST} levels")
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str) or not is_unicode(key):
                    raise InvalidPrompt(f"a key of {field}", key, "keys are text")
                check_json(item, f"{field}.{key}", depth=depth + 1)
        case list() | tuple():
            for place, item in enumerate(value):
                check_json(item, f"{field}[{place}]", depth=depth + 1)
        case _:
            raise InvalidPrompt(
                field, value, "give a text, number, boolean, null, list or mapping, as in JSON"
            )


def canonical_json(value: JsonValue) -> bytes:
    """JSON with sorted keys, without spaces, as UTF-8: the same value gives the same bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
    ).encode()


def _plain(value: object) -> object:
    """Converts mappings other than dict."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is not JSON")


def is_unicode(text: str) -> bool:
    """Returns False if a text holds half a surrogate pair, which UTF-8 cannot say."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
