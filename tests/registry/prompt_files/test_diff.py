"""Diffs of versions: what git would show of their files."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_registry.prompt_files import matching_lines
from coalmine_registry.prompt_files.diff import diff_lines
from coalmine_schemas.prompt_files.markdown import readable_text
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


_LINES = st.lists(st.sampled_from([*"abcdefgh", ""]), max_size=40).map("\n".join)


@given(_LINES, _LINES, st.sampled_from([0, 20, 10_000_000]))
def test_a_diff_leads_from_the_old_text_to_the_new(old: str, new: str, comparisons: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching_lines, "_COMPARISONS", comparisons)  # with few, patience has to do it
        lines = diff_lines("a", PromptContent(template=old), "b", PromptContent(template=new))
    before, after = (readable_text(PromptContent(template=each)).split("\n")[:-1] for each in (old, new))
    at = 0
    made: list[str] = []
    for line in lines[2:]:
        if line.kind == "place":
            start, _, length = line.text.split()[1][1:].partition(",")
            first = int(start) - (length != "0")
            made += before[at:first]
            at = first
        else:
            if line.kind != "added":
                assert line.text[1:] == before[at]
                at += 1
            if line.kind != "removed":
                made.append(line.text[1:])
    assert made + before[at:] == after


@pytest.mark.parametrize("words", [2, 3, 90, 7_000])
def test_texts_of_many_similar_lines_take_bounded_time(words: int) -> None:
    random_ = random.Random(7)
    old, new = (
        PromptContent(template="\n".join(f"line {random_.randrange(words)}" for _ in range(20_000)))
        for _ in "ab"
    )
    began_s = time.process_time()
    assert diff_lines("a", old, "b", new)[-1].kind in ("place", "added", "removed")
    assert time.process_time() - began_s < 20


def test_an_endless_diff_is_cut() -> None:
    old, new = PromptContent(template="a\n" * 30_000), PromptContent(template="b\n" * 30_000)
    lines = diff_lines("a", old, "b", new)
    assert len(lines) == 2 + 20_000 + 1
    assert "cut" in lines[-1].text
