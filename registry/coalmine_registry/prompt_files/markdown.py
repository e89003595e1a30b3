"""Prompt files: one version of a prompt as text that people edit and review.

::

    ---
    model: gpt-4o-mini
    parameters:
      temperature: 0.2
    variables:
      question: string
      tone: {type: string, default: friendly}
    ---
    Answer in a {{ tone }} tone: {{ question }}

A chat prompt has several parts below the front matter, each under a line that names its role: `<|system|>`,
`<|user|>`. The templates are everything between those lines, to the character, without the last line end.
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any, Final

import yaml

from coalmine_schemas.prompts.content import Message, PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt

_FENCE: Final = "---"
_ROLE: Final = re.compile(r"<\|([a-z][a-z0-9_-]*)\|>")
_UNSAFE: Final = re.compile("[\r\x85\u2028\u2029\ufeff]")
_KEYS: Final = ("model", "parameters", "variables", "output_schema", "metadata")


def parse_prompt(text: str) -> PromptContent:
    """Parses the text of a file.

    Raises:
        InvalidPrompt: It is not a valid prompt; says what is wrong and what to write instead.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    front, body = _split(text)
    found = _front_matter(front)
    for key in found:
        if key not in _KEYS:
            raise InvalidPrompt("front matter", key, f"use only {', '.join(_KEYS)}")
    variables = found.get("variables")
    if isinstance(variables, dict):
        # `question: string` means the same as `question: {type: string}`.
        found["variables"] = {
            name: {"type": each} if isinstance(each, str) else each for name, each in variables.items()
        }
    return PromptContent.from_json({**found, **_templates(body)})


def format_prompt(content: PromptContent) -> str:
    """Returns the text of a file that `parse_prompt` reads as the same content.

    Raises:
        InvalidPrompt: A template has a line that would start a message in a file.
    """
    for field, template in content.templates():
        if "\r" in template:
            raise InvalidPrompt(field, template, "end lines with a line feed alone: files are read that way")
        for line in template.split("\n"):
            if _ROLE.fullmatch(line):
                raise InvalidPrompt(field, line, "a file would begin a message there: change the line")
    return readable_text(content)


def readable_text(content: PromptContent) -> str:
    """Returns the text of a file for people to read; works for any content."""
    front: dict[str, Any] = {key: value for key, value in content.to_json().items() if key in _KEYS}
    if content.variables:
        front["variables"] = {
            name: variable["type"] if list(variable) == ["type"] else variable
            for name, variable in front["variables"].items()
        }
    lines = ""
    if front:
        ordered = {key: front[key] for key in _KEYS if key in front}
        lines = yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    if content.kind == "chat":
        body = "".join(f"<|{message.role}|>\n{message.template}\n" for message in content.messages)
    else:
        body = f"{content.template}\n"
    return f"{_FENCE}\n{lines}{_FENCE}\n{body}"


def _split(text: str) -> tuple[str, str]:
    """Splits a file into front matter and body."""
    lines = text.split("\n")
    if lines[0] != _FENCE:
        return "", text
    try:
        end = lines.index(_FENCE, 1)
    except ValueError:
        raise InvalidPrompt("front matter", "open", "end it with a line of three hyphens") from None
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :])


def _front_matter(front: str) -> dict[str, Any]:
    try:
        found = yaml.load(front, _Loader)  # noqa: S506 - a safe loader, and stricter
    except yaml.YAMLError as error:
        raise InvalidPrompt("front matter", str(error).replace("\n", " "), "write YAML") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidPrompt("front matter", found, "write names and values, e.g. `model: gpt-4o-mini`")
    return found


def _templates(body: str) -> dict[str, Any]:
    if not body.endswith("\n"):
        body += "\n"
    lines = body[:-1].split("\n")
    starts = [(at, match[1]) for at, line in enumerate(lines) if (match := _ROLE.fullmatch(line))]
    if not starts:
        return {"template": body[:-1]}
    first = starts[0][0]
    if any(line.strip() for line in lines[:first]):
        raise InvalidPrompt(
            "text before the first message", lines[0], "put it below a line such as <|system|>"
        )
    ends = [*(at for at, _ in starts[1:]), len(lines)]
    messages = [
        Message(role, "\n".join(lines[at + 1 : end])) for (at, role), end in zip(starts, ends, strict=True)
    ]
    return {"messages": [{"role": each.role, "template": each.template} for each in messages]}


class _Dumper(yaml.SafeDumper):
    """YAML that reads back unchanged: characters that YAML treats as line ends, or drops, are escaped."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = '"' if _UNSAFE.search(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


class _Loader(yaml.SafeLoader):
    """YAML with the types of JSON: no duplicate keys, names are texts, and dates are texts."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Mapping[Hashable, Any]:
    loader.flatten_mapping(node)
    found: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise InvalidPrompt("front matter", key, "put names that are not plain words in quotes")
        if key in found:
            raise InvalidPrompt("front matter", key, "write each name once")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
