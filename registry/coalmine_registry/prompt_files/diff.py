"""What changed between two versions of a prompt, line by line, as people know it from git."""

import difflib
from dataclasses import dataclass
from typing import Literal

from coalmine_registry.prompt_files.markdown import readable_text
from coalmine_schemas.prompts.content import PromptContent

LineKind = Literal["file", "place", "same", "added", "removed"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a unified diff, its sign included."""

    kind: LineKind
    text: str


def diff_lines(old_name: str, old: PromptContent, new_name: str, new: PromptContent) -> list[DiffLine]:
    """The unified diff of two versions as files; empty where they say the same.

    Args:
        old_name: What to call the old one, e.g. `support-refund@1.0.0`.
        old: Its content.
        new_name: What to call the new one.
        new: Its content.
    """
    before, after = (readable_text(content).split("\n")[:-1] for content in (old, new))
    found = difflib.unified_diff(before, after, old_name, new_name, lineterm="")
    return [DiffLine(_kind(at, line), line) for at, line in enumerate(found)]


def _kind(at: int, line: str) -> LineKind:
    if at < 2:
        return "file"
    match line[:1]:
        case "@":
            return "place"
        case "+":
            return "added"
        case "-":
            return "removed"
        case _:
            return "same"
