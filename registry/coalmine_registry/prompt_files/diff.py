"""Line-by-line differences of two versions of a prompt, as a unified diff of their files."""

import difflib
from typing import Literal

from coalmine_registry.classify import Classification
from coalmine_registry.prompt_files.markdown import readable_text
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.results import result

LineKind = Literal["file", "place", "same", "added", "removed"]


@result
class DiffLine:
    """One line of a unified diff."""

    kind: LineKind
    """`file` for the two header lines, `place` for line numbers, `same`, `added` or `removed`."""
    text: str
    """The line with its sign in front: a space, `+` or `-`."""


@result
class Diff:
    """Differences between two versions of a prompt."""

    name: str
    """Name of the prompt in the registry."""
    a: str
    """The old version, which `b` is compared with."""
    b: str
    """The new version, compared with `a`."""
    classification: Classification
    """What changed from `a` to `b`, and the version bump that needs."""
    lines: list[DiffLine]
    """Unified diff of both versions as files; empty if they are the same."""


def diff_lines(old_name: str, old: PromptContent, new_name: str, new: PromptContent) -> list[DiffLine]:
    """Returns the unified diff of two versions as files; empty if they are the same.

    Args:
        old_name: Title of the old version, e.g. `support-refund@1.0.0`.
        old: Content of the old version.
        new_name: Title of the new version.
        new: Content of the new version.
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
