"""Line-by-line differences of two versions of a prompt, as a unified diff of their files."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from coalmine_registry.prompt_files.matching_lines import Matcher
from coalmine_registry.records import DiffLine
from coalmine_schemas.prompt_files.markdown import readable_text
from coalmine_schemas.prompts.content import PromptContent

_MOST_LINES: Final = 20_000


def diff_lines(old_name: str, old: PromptContent, new_name: str, new: PromptContent) -> list[DiffLine]:
    """Returns the unified diff of two versions as files; empty if they are the same.

    Args:
        old_name: Title of the old version, e.g. `support-refund@1.0.0`.
        old: Content of the old version.
        new_name: Title of the new version.
        new: Content of the new version.
    """
    before, after = (readable_text(content).split("\n")[:-1] for content in (old, new))
    if before == after:
        return []
    head = [DiffLine("file", f"--- {old_name}"), DiffLine("file", f"+++ {new_name}")]
    found = [*head, *islice(_lines(before, after), _MOST_LINES)]
    if len(found) == _MOST_LINES + len(head):
        found.append(DiffLine("place", f"@@ cut: only the first {_MOST_LINES} lines are shown @@"))
    return found


def _lines(before: list[str], after: list[str]) -> Iterator[DiffLine]:
    for group in Matcher(before, after).get_grouped_opcodes(3):
        first, last = group[0], group[-1]
        yield DiffLine("place", f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@")
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                yield from (DiffLine("same", f" {line}") for line in before[old_start:old_end])
            else:
                yield from (DiffLine("removed", f"-{line}") for line in before[old_start:old_end])
                yield from (DiffLine("added", f"+{line}") for line in after[new_start:new_end])


def _span(start: int, end: int) -> str:
    """Lines as the head of a group names them; an empty span is named by the line before it."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"
