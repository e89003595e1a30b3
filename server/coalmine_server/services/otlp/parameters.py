"""Parameters of a call, as its span has them: numbers, switches and known words, and never texts.

Instrumentations write down whatever a library was called with: messages under any of a dozen names, keys of
the provider, headers, users. What is kept is therefore named here, and what is left out is not.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from coalmine_schemas.limits import ID_CHARS
from coalmine_server.services.otlp import names
from coalmine_server.services.otlp.spans import Value

_WORDS: Final = frozenset(
    {
        *names.PARAMETERS.values(),
        *("type", "mode", "effort", "verbosity", "tool_choice", "function_call", "service_tier"),
        *("response_format", "encoding_format", "format", "truncation", "truncate", "input_type"),
        *("modalities", "voice", "stop_sequences"),
    }
)
"""Parameters whose values may be words."""
_FREE: Final = frozenset({"stop", "stop_sequences"})
"""Those whose words may hold any characters: the service's own, and no user's."""
_WORD: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_NO_PARAMETERS: Final = frozenset(
    {
        *("stream", "stream_options", "user", "user_id", "safety_identifier", "metadata"),
        *("input", "inputs", "headers", "extra_headers", "extra_query", "extra_body"),
    }
)
"""What may be a number or hold numbers and is no parameter of the model."""
_DEEPEST: Final = 2
"""Objects within one another, as in `{"thinking": {"budget_tokens": 1024}}`."""


def parameters_of(attributes: Mapping[str, Value]) -> dict[str, Any]:
    """All that a call was made with, texts too: for what is looked up in it, and not to be stored."""
    found: dict[str, Any] = {
        short: names.parsed(attributes[name])
        for name, short in names.PARAMETERS.items()
        if name in attributes
    }
    text = names.text(attributes, names.INVOCATION)
    if text is not None:
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            given = None
        if isinstance(given, dict):
            found |= given
    return found


def as_json(parameters: Mapping[str, Any]) -> dict[str, str]:
    """What is stored of parameters, as the client has them; long values are left out."""
    shown = {
        name: json.dumps(value, ensure_ascii=False)
        for name, value in _kept(parameters, _DEEPEST).items()
        if value is not None
    }
    return {name: text for name, text in shown.items() if max(len(name), len(text)) <= ID_CHARS}


def _kept(given: Mapping[str, Any], depth: int) -> dict[str, Any]:
    found = {name: _value(name, value, depth) for name, value in given.items() if name not in _NO_PARAMETERS}
    return {name: value for name, value in found.items() if value is not None}


def _value(name: str, value: object, depth: int) -> object:
    """The value of a parameter, or what may be kept of it; None if nothing."""
    if isinstance(value, bool | int | float):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    if isinstance(value, Mapping):
        return (_kept(value, depth - 1) or None) if depth else None
    if isinstance(value, list):
        return value if value and all(_is_word(name, each) for each in value) else None
    return value if _is_word(name, value) else None


def _is_word(name: str, value: object) -> bool:
    if name not in _WORDS or not isinstance(value, str):
        return False
    return name in _FREE or _WORD.fullmatch(value) is not None
