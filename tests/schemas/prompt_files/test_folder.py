"""A folder of prompts: read whole, in an order in which each can be registered, or not at all."""

import os
from pathlib import Path

import pytest

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.folder import InvalidFiles, file_of, read_folder
from tests.support.doubles.without_rights import without_rights


def write(directory: Path, name: str, version: str, text: str = "Hello.\n") -> None:
    path = file_of(directory, name, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def references(directory: Path) -> list[str]:
    return [each.reference for each in read_folder(directory)]


def test_versions_come_by_precedence_and_not_by_their_letters(tmp_path: Path) -> None:
    for version in ("1.10.0", "1.9.0", "1.10.0-rc.1", "1.10.0-rc.10", "1.10.0-rc.9"):
        write(tmp_path, "a", version)
    assert references(tmp_path) == ["a@1.9.0", "a@1.10.0-rc.1", "a@1.10.0-rc.9", "a@1.10.0-rc.10", "a@1.10.0"]


def test_what_is_included_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "a", "1.0.0", '{% include "z@1.1.0" %}\n')
    write(tmp_path, "z", "1.0.0")
    write(tmp_path, "z", "1.1.0", '{% include "elsewhere@1.0.0" %}\n')
    assert references(tmp_path) == ["z@1.0.0", "z@1.1.0", "a@1.0.0"]


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "a", "1.0.0")
    (tmp_path / "a" / "1.1.0.md").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "a" / "1.2.0.md")
    os.mkfifo(tmp_path / "named-wrongly-too.md")
    (tmp_path / "a" / "1.3.0.md").mkdir()
    with pytest.raises(InvalidFiles) as refused:
        read_folder(tmp_path)
    assert [each.partition(": ")[2] for each in refused.value.problems] == [
        "is no file, or a link to nothing: put a file there, or delete it"
    ] * 4


def test_a_file_that_is_empty_is_no_prompt(tmp_path: Path) -> None:
    write(tmp_path, "a", "1.0.0", "")
    with pytest.raises(InvalidFiles, match=r"1\.0\.0\.md: is empty: write the prompt, or delete the file"):
        read_folder(tmp_path)


def test_a_circle_of_includes_is_refused_and_named(tmp_path: Path) -> None:
    write(tmp_path, "a", "1.0.0", '{% include "b@1.0.0" %}\n')
    write(tmp_path, "b", "1.0.0", '{% include "a@1.0.0" %}\n')
    write(tmp_path, "c", "1.0.0")
    with pytest.raises(InvalidFiles) as refused:
        read_folder(tmp_path)
    assert len(refused.value.problems) == 2
    assert "circle" in str(refused.value)


def test_all_files_that_are_no_prompts_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a", "1.0")
    write(tmp_path, "b", "1.0.0", "---\nmodle: x\n---\n")
    write(tmp_path, "c/d", "1.0.0")
    file_of(tmp_path, "b", "1.1.0").write_bytes(b"\xff")
    with pytest.raises(InvalidFiles) as refused:
        read_folder(tmp_path)
    told = refused.value.problems
    assert [Path(each.split(":")[0]).relative_to(tmp_path).as_posix() for each in told] == [
        "a/1.0.md",
        "b/1.0.0.md",
        "b/1.1.0.md",
        "c/d/1.0.0.md",
    ]


def test_what_is_no_prompt_by_its_name_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "a", "1.0.0")
    (tmp_path / "README.md").write_text("About our prompts.")
    (tmp_path / "a" / "notes.txt").write_text("Later.")
    write(tmp_path, "_drafts", "1.0.0", "---\n")
    write(tmp_path, ".git", "x", "---\n")
    assert references(tmp_path) == ["a@1.0.0"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no such folder"):
        read_folder(tmp_path / "prompts")


@pytest.mark.parametrize("name", [".", "refund"])
def test_a_folder_that_may_not_be_read_is_named_and_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write(tmp_path / "prompts", "refund", "1.0.0")
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # below folders that only their owner may enter
    with without_rights(tmp_path / "prompts" / name), pytest.raises(InvalidFiles) as caught:
        read_folder(Path("prompts"))
    assert caught.value.problems == (f"{Path('prompts') / name}: cannot be read: Permission denied",)


def test_the_folder_of_a_prompt_may_be_a_link_and_one_that_leads_back_is_no_end(tmp_path: Path) -> None:
    shared, prompts = tmp_path / "shared", tmp_path / "prompts"
    for folder in (shared, prompts):
        folder.mkdir()
    (shared / "1.0.0.md").write_text("Hi", encoding="utf-8")
    (prompts / "refund").symlink_to(shared)
    (prompts / "round").symlink_to(prompts)
    assert [each.reference for each in read_folder(prompts)] == ["refund@1.0.0"]
