"""Signals of an answer that need no judge: numbers of its text, which itself need not leave the process."""

import json
from collections.abc import Mapping
from typing import Final

from coalmine_schemas.refusal_words import BEGINNING, refusal_in

LONGEST: Final = 100_000
"""Characters that are read: a model in a loop writes megabytes. A longer JSON counts as not valid."""
_FENCE: Final = "```"


def signals_of(text: str, parameters: Mapping[str, str]) -> dict[str, float]:
    """Numbers of an answer's text, by the name of their metric; empty for one without words.

    `output_words` are its words, parted by space. `refusal_worded` is 1 if it begins as a refusal does,
    else 0. `json_valid` is 1 if all of it is JSON, or all within its code block, and 0 if not; only for an
    answer of which JSON was asked, or that begins like JSON.

    Args:
        text: The answer.
        parameters: Of the request, each as JSON: `response_format` and `text` say whether JSON was asked for.
            Also long ones, such as schemas, which the event leaves out.
    """
    read = text[:LONGEST]
    words = len(read.split())
    if not words:
        return {}
    beginning = " ".join(read[: 2 * BEGINNING].split())[:BEGINNING].casefold()
    found = {"output_words": float(words), "refusal_worded": float(refusal_in(beginning) is not None)}
    inner = _unfenced(read)
    if _asks_for_json(parameters) or inner.startswith(("{", "[")):
        found["json_valid"] = float(len(text) <= LONGEST and _is_json(inner))
    return found


def _unfenced(text: str) -> str:
    """What is within the code block that is all of the text; else the text."""
    text = text.strip()
    if len(text) >= 2 * len(_FENCE) and text.startswith(_FENCE) and text.endswith(_FENCE):
        language, _, rest = text[len(_FENCE) : -len(_FENCE)].partition("\n")
        if language.strip().lower() in ("", "json"):
            return rest.strip()
    return text


def _asks_for_json(parameters: Mapping[str, str]) -> bool:
    """True if OpenAI's `response_format`, or `text` of its Responses API, asks for JSON."""
    asked = parameters.get("response_format", "") + parameters.get("text", "")
    return '"json_object"' in asked or '"json_schema"' in asked


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True
