"""The fenced code blocks of a Markdown file, and what a comment before one says about testing it.

````markdown
<!-- test: skip, needs a Slack workspace -->
```bash
...
```
````

A comment directly before a block may say `test: skip, REASON` (the reason is required) or, for Python,
`test: setup` followed by lines that run before it and that readers do not see.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[^`\s]*)\s*$")
_COMMENT = re.compile(r"<!--\s*test:\s*(?P<kind>skip|setup)\b[,:]?(?P<text>.*?)-->\s*\Z", re.DOTALL)
_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)|(?:src|srcset|href)=\"(?P<attribute>[^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    path: Path
    line: int
    """Of its first line of code, counted from 1."""
    language: str
    code: str
    skip: str | None = None
    """Why it is not tested."""
    setup: str = ""
    """Python that runs before it."""

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


class MarkdownError(Exception):
    """A file that cannot be read as we wish; names file and line."""


def blocks(path: Path) -> Iterator[Block]:
    """Every fenced block of a file, in order.

    Raises:
        MarkdownError: A fence is never closed, or a block is skipped without a reason.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    number = 0
    after_last = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        if opened is None:
            number += 1
            continue
        indent, fence = len(opened["indent"]), opened["fence"]
        end = number + 1
        while end < len(lines) and lines[end].strip() != fence:
            end += 1
        if end == len(lines):
            raise MarkdownError(f"{path}:{number + 1}: the fence is never closed")
        skip, setup = _comment("\n".join(lines[after_last:number]), f"{path}:{number + 1}")
        code = "\n".join(
            line[indent:] if line[:indent].isspace() else line for line in lines[number + 1 : end]
        )
        yield Block(path, number + 2, opened["language"], code + "\n", skip, setup)
        number = after_last = end + 1


def _comment(before: str, place: str) -> tuple[str | None, str]:
    """What the comment directly before a block says: why to skip it, and what runs before it."""
    found = _COMMENT.search(before)
    if found is None:
        return None, ""
    text = found["text"].strip("\n")
    if found["kind"] == "setup":
        return None, text + "\n"
    if not text.strip():
        raise MarkdownError(f"{place}: a skipped block needs a reason")
    return text.strip(), ""


def links(path: Path) -> Iterator[str]:
    """The targets of links and pictures outside fenced blocks."""
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            for found in _LINK.finditer(line):
                yield found["target"] or found["attribute"]
