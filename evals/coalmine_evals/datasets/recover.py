"""Finds what a prompt was filled with, from the text that was sent to the model."""

import json
from collections.abc import Sequence
from typing import Final

from jinja2 import nodes

from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.syntax import parse_template

_MOST_PARTS: Final = 100
_TELLING: Final = 10
"""Characters of a template that do not stand in a value by chance."""


def variables_of(content: PromptContent, sent: str) -> dict[str, str] | None:
    """Returns the values with which the prompt renders as the text, if only these can be it.

    Works for templates of plain text and variables of type string; for a prompt of one variable also where a
    service has captured no more than its value.

    Args:
        content: The prompt that was served.
        sent: Text that was sent, or its messages as JSON.

    Returns:
        None if it is not known.
    """
    if any(each.type != "string" for each in content.variables.values()):
        return None
    templates = [template for _, template in content.templates()]
    texts = _texts(sent, content.kind == "text")
    if texts is not None and len(texts) == len(templates):
        found: dict[str, str] = {}
        for template, text in zip(templates, texts, strict=True):
            values = _values(template, text)
            if values is None or any(found.get(name, value) != value for name, value in values.items()):
                break
            found |= values
        else:
            return found
    if len(content.variables) != 1 or (texts is None) == (content.kind == "text"):
        return None
    literals = [literal.strip() for template in templates for literal, _ in _parts(template) or ()]
    if any(len(each) >= _TELLING and each in sent for each in literals):
        return None
    return dict.fromkeys(content.variables, sent)


def _texts(sent: str, is_text: bool) -> list[str] | None:
    """The texts of the messages that were sent; None if it is no list of messages."""
    try:
        messages = json.loads(sent)
    except (ValueError, RecursionError):
        messages = None
    if isinstance(messages, list):
        contents = [each.get("content") if isinstance(each, dict) else None for each in messages]
        texts = [each for each in contents if isinstance(each, str)]
        if texts and len(texts) == len(messages):
            return texts
    return [sent] if is_text else None


def _values(template: str, text: str) -> dict[str, str] | None:
    """What the variables of a template are in a text that was rendered from it."""
    parts = _parts(template)
    if parts is None:
        return None
    found: dict[str, str] = {}
    place, name = 0, None
    for literal, following in parts:
        if name is None:
            if not text.startswith(literal, place):
                return None
            at = place
        elif not literal and following is None:
            at = len(text)
        else:
            # What stands there twice could begin at either.
            at = text.find(literal, place)
            if not literal or at < 0 or text.find(literal, at + 1) >= 0:
                return None
        if name is not None and found.setdefault(name, text[place:at]) != text[place:at]:
            return None
        place, name = at + len(literal), following
    return found if place == len(text) else None


def _parts(template: str) -> Sequence[tuple[str, str | None]] | None:
    """Texts of a template, each with the variable behind it; None if it does more than fill in variables."""
    try:
        tree = parse_template(template)
    except InvalidPrompt:
        return None
    parts: list[tuple[str, str | None]] = []
    literal = ""
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return None
        for each in node.nodes:
            if isinstance(each, nodes.TemplateData):
                literal += each.data
            elif isinstance(each, nodes.Name):
                parts.append((literal, each.name))
                literal = ""
            else:
                return None
    return [*parts, (literal, None)] if len(parts) < _MOST_PARTS else None
