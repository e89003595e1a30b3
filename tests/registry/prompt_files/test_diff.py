"""Diffs of versions: what git would show of their files."""

from coalmine_registry.prompt_files.diff import diff_lines
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.variables import Variable

OLD = PromptContent(template="Hello {{ name }}.\n--- signed", variables={"name": Variable()}, model="small")
NEW = PromptContent(template="Hi {{ name }}.\n--- signed", variables={"name": Variable()}, model="large")


def test_a_change_is_shown_with_what_stands_around_it() -> None:
    lines = diff_lines("a@1.0.0", OLD, "a@1.1.0", NEW)
    assert [(line.kind, line.text) for line in lines] == [
        ("file", "--- a@1.0.0"),
        ("file", "+++ a@1.1.0"),
        ("place", "@@ -1,7 +1,7 @@"),
        ("same", " ---"),
        ("removed", "-model: small"),
        ("added", "+model: large"),
        ("same", " variables:"),
        ("same", "   name: string"),
        ("same", " ---"),
        ("removed", "-Hello {{ name }}."),
        ("added", "+Hi {{ name }}."),
        ("same", " --- signed"),
    ]


def test_the_same_content_has_no_difference() -> None:
    assert diff_lines("a@1.0.0", OLD, "a@1.0.1", OLD) == []


def test_a_removed_line_that_looks_like_a_head_is_a_removed_line() -> None:
    new = PromptContent(template="Hello {{ name }}.", variables={"name": Variable()}, model="small")
    assert [line.text for line in diff_lines("a", OLD, "b", new) if line.kind == "removed"] == ["---- signed"]
