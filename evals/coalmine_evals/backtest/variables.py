"""Reads the values that a prompt was rendered with back out of the text that was sent."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import regex

from coalmine_schemas.prompts.errors import RenderError
from coalmine_schemas.prompts.templating import CompiledPrompt

_TIME_LIMIT_S: Final = 0.5
"""For one text: somebody else wrote it, and the search for where values begin may take long."""
_LONGEST: Final = 200_000


def recovered(prompt: CompiledPrompt, stored: str) -> dict[str, str] | None:
    """Returns the values of variables by which rendering gives just the stored text; None if that is unclear.

    Found by rendering with marks in place of values. A text in which values could begin or end at more
    than one place is unclear, and so is a prompt that changes its values or asks for others than texts.

    Args:
        prompt: The version that was sent.
        stored: As the request has it: messages as JSON, or one text.
    """
    if len(stored) > _LONGEST:
        return None
    names = [name for name, each in prompt.variables.items() if each.type == "string"]
    required = [name for name in names if prompt.variables[name].required]
    for some in (names, required) if required != names else (names,):
        marks = {name: f"\ue000{place}\ue001" for place, name in enumerate(some)}
        try:
            made = prompt.messages(marks)
        except RenderError:
            continue
        for template, text in _readings(made, stored):
            values = _matched(template, text, marks)
            if values is not None and _gives(prompt, values, made, stored):
                return values
    return None


def said_by_user(stored: str) -> str:
    """Returns what the user said last, of messages as JSON; one text whole."""
    messages = _messages(stored)
    said = [each["content"] for each in messages or () if each["role"] == "user"]
    return said[-1] if said else stored


def _readings(made: Sequence[Mapping[str, str]], stored: str) -> Iterator[tuple[str, str]]:
    """What the stored text may be of what is rendered: all messages, all in one text, or one message."""
    messages = _messages(stored)
    if messages is not None:
        first = messages[: len(made)]
        if [each["role"] for each in first] == [each["role"] for each in made]:
            yield (_joined(made), _joined(first))
        return
    yield ("\n\n".join(each["content"] for each in made), stored)
    for each in made:
        if each["role"] == "user":
            yield (each["content"], stored)


def _gives(
    prompt: CompiledPrompt, values: Mapping[str, str], made: Sequence[Mapping[str, str]], stored: str
) -> bool:
    try:
        again = prompt.messages(values)
    except RenderError:  # a value that is needed is not in the text
        return False
    return len(again) == len(made) and any(template == text for template, text in _readings(again, stored))


def _matched(template: str, text: str, marks: Mapping[str, str]) -> dict[str, str] | None:
    """The values, if the text can be read in one way only."""
    try:
        shortest = _match(template, text, marks, "(.*?)")
        longest = _match(template, text, marks, "(.*)")
    except TimeoutError:
        return None
    return shortest if shortest == longest else None


def _match(template: str, text: str, marks: Mapping[str, str], group: str) -> dict[str, str] | None:
    names = {mark: name for name, mark in marks.items()}
    pattern, places = "", dict[str, int]()
    for part in regex.split("(\ue000[0-9]+\ue001)", template):
        if part not in names:
            pattern += regex.escape(part)
        elif part in places:
            pattern += f"\\{places[part]}"
        else:
            places[part] = len(places) + 1
            pattern += group
    found = regex.fullmatch(pattern, text, regex.DOTALL, timeout=_TIME_LIMIT_S)
    return None if found is None else {names[mark]: found.group(place) for mark, place in places.items()}


def _joined(messages: Sequence[Mapping[str, str]]) -> str:
    # No text of a message has this character: it is none of Unicode's.
    return "\uffff".join(each["content"] for each in messages)


def _messages(stored: str) -> list[dict[str, Any]] | None:
    """Messages with texts, as JSON; None if it is something else."""
    if not stored.startswith("["):
        return None
    try:
        found = json.loads(stored)
    except ValueError:
        return None
    if not isinstance(found, list) or not found:
        return None
    good = all(
        isinstance(each, dict) and isinstance(each.get("role"), str) and isinstance(each.get("content"), str)
        for each in found
    )
    return found if good else None
