"""In which line of a prompt's file a mistake is, so that a message can lead there."""

import re
from typing import Final

from coalmine_schemas.prompt_files.markdown import role_lines, split_file
from coalmine_schemas.prompts.errors import InvalidPrompt

_TEMPLATE: Final = re.compile(r"\b(?:template$|messages\[([0-9]+)\])")
_PATH: Final = re.compile(r"[\w-]+")


def line_of(text: str, error: InvalidPrompt) -> int | None:
    """Returns the line of a file, from 1, in which an error is; None where it cannot be told.

    The line of a value in the front matter is found by its name, so it may be off where the same name stands
    twice; that of a template by counting.

    Args:
        text: The file.
        error: What reading the file, or compiling its templates, raised.
    """
    try:
        front, body = split_file(text)
        lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        first = len(lines) - len(body.split("\n")) + 1
        if error.field == "front matter" and error.line is not None:
            return error.line
        template = _TEMPLATE.search(error.field)
        if template is not None:
            return _start(body, template[1]) + first - 1 + (error.line or 1)
    except InvalidPrompt:  # of a line that looks like a fence or a role, which is the mistake itself
        return _line_shown(text, error.value)
    if error.field.startswith(("the role of", "text before")):
        return _line_shown(text, error.value)
    return _named(front.split("\n"), error)


def _start(body: str, message: str | None) -> int:
    """The line of the body in which a template begins, from 0."""
    roles = role_lines(body.split("\n"))
    return 0 if message is None or not roles else roles[int(message)][0] + 1


def _named(front: list[str], error: InvalidPrompt) -> int | None:
    """The line of the file with what the field names, `variables.tone.type` as far as it stands there."""
    path = [] if error.field.startswith(("front matter", "a key", "the name of")) else error.field.split(".")
    if error.field.startswith("a key of "):
        path = error.field.removeprefix("a key of ").split(".")
    if not path or error.field.startswith("a key of "):
        path.append(error.value.strip("'\""))
    found, at = None, 0
    for name in path:
        word = _PATH.match(name)
        if word is None:
            break
        key = re.compile(rf"""(?:^|[\s{{,])["']?{re.escape(word[0])}["']?\s*:""")
        line = next((place for place in range(at, len(front)) if key.search(front[place])), None)
        if line is None:
            break
        found = at = line
    return None if found is None else found + 2


def line_with(text: str, part: str) -> int:
    """Returns the first line of a file, from 1, in which a text stands; 1 where it does not."""
    return next((at for at, line in enumerate(text.split("\n"), 1) if part in line), 1)


def _line_shown(text: str, value: str) -> int | None:
    """The line that an error shows; its value is `repr` of it, cut if it is long."""
    for at, line in enumerate(text.split("\n"), 1):
        shown = repr(line.rstrip("\r"))[:-1]
        if line.strip() and value[:-1].removesuffix("...").startswith(shown[:80]) and len(shown) > 1:
            return at
    return 1 if value == "'open'" else None
