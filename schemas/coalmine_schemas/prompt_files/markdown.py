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
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from coalmine_schemas.prompt_files.front_matter import read_front_matter, write_front_matter
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt

_FENCE: Final = "---"
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function", "model")
"""Roles that begin a message. Other such lines, e.g. `<|endoftext|>`, are text."""
_ROLE: Final = re.compile(r"<\|([A-Za-z][A-Za-z0-9_-]*)\|>[ \t]*")
_MISSPELT: Final = 0.75
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]+")
"""What no editor shows: a fence or a role with it looks like one without."""
_KEYS: Final[tuple[str, ...]] = ("model", "parameters", "variables", "output_schema", "metadata")


def parse_prompt(text: str) -> PromptContent:
    """Parses the text of a file.

    Raises:
        InvalidPrompt: It is not a valid prompt; says what is wrong and what to write instead.
    """
    front, body = split_file(text)
    found = read_front_matter(front, first_line=2)
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
    for message in content.messages:
        if message.role not in _ROLES:
            raise InvalidPrompt("role", message.role, f"a file knows the roles {', '.join(_ROLES)}")
    for field, template in content.templates():
        if "\r" in template:
            raise InvalidPrompt(field, template, "end lines with a line feed alone: files are read that way")
        for line in template.split("\n"):
            if _role(line):
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
        lines = write_front_matter(ordered)
    if content.kind == "chat":
        body = "".join(f"<|{message.role}|>\n{message.template}\n" for message in content.messages)
    else:
        body = f"{content.template}\n"
    return f"{_FENCE}\n{lines}{_FENCE}\n{body}"


def split_file(text: str) -> tuple[str, str]:
    """Splits a file into front matter, without its fences, and body.

    A fence may have blanks behind it, which nobody sees.

    Raises:
        InvalidPrompt: It begins with something like a fence, or the front matter does not end.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        first = next((line for line in lines if line.strip()), "")
        if _UNSEEN.sub("", first).lstrip().startswith(_FENCE):
            raise InvalidPrompt(
                "front matter",
                first,
                "begin the file with a line of three hyphens; if that is the prompt's own text, put two such "
                "lines above it",
            )
        return "", text
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise InvalidPrompt("front matter", "open", "end it with a line of three hyphens")
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :])


def role_lines(lines: Sequence[str]) -> list[tuple[int, str]]:
    """The lines of a body that begin a message: their places, from 0, and the roles.

    Raises:
        InvalidPrompt: One looks like a role and is none.
    """
    return [(at, role) for at, line in enumerate(lines) if (role := _role(line))]


def _role(line: str) -> str | None:
    """Returns the role whose message begins with a line.

    Raises:
        InvalidPrompt: It looks like a role, but is misspelt, indented or has what nobody sees around it, and
            would silently be text.
    """
    if "<" not in line:
        return None
    match = _ROLE.fullmatch(line)
    if match is None:
        match = _ROLE.fullmatch(_UNSEEN.sub("", line).strip())
        if match is None:
            return None
    elif match[1] in _ROLES:
        return match[1]
    near = get_close_matches(match[1].lower(), _ROLES, n=1, cutoff=_MISSPELT)
    if near:
        raise InvalidPrompt("the role of a message", line, f"write <|{near[0]}|>")
    return None


def _templates(body: str) -> dict[str, Any]:
    if not body.endswith("\n"):
        body += "\n"
    lines = body[:-1].split("\n")
    starts = role_lines(lines)
    if not starts:
        return {"template": body[:-1]}
    first = starts[0][0]
    if any(line.strip() for line in lines[:first]):
        raise InvalidPrompt(
            "text before the first message", lines[0], "put it below a line such as <|system|>"
        )
    ends = [*(at for at, _ in starts[1:]), len(lines)]
    return {
        "messages": [
            {"role": role, "template": "\n".join(lines[at + 1 : end])}
            for (at, role), end in zip(starts, ends, strict=True)
        ]
    }
