"""What a judge may be, and what is refused."""

import json
from pathlib import Path

import pytest

from coalmine_evals.judges.find import find_judge, shipped_judges, write_judges
from coalmine_evals.judges.judge import Judge, is_pinned
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.folder import read_folder
from coalmine_schemas.prompt_files.markdown import parse_prompt
from coalmine_schemas.prompts.errors import InvalidPrompt

_TEXT = next(text for name, _, text in shipped_judges() if name == "judge-faithfulness")


@pytest.mark.parametrize("name", [name for name, _, _ in shipped_judges()])
def test_judges_that_ship_are_judges_with_a_pinned_model(name: str) -> None:
    judge = find_judge(f"{name}@1.0.0")
    assert judge.name == f"{name}@1.0.0#gpt-5.4-mini-2026-03-17"
    properties = judge.schema["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == ["reasoning", "addresses_judge", "verdict"]
    assert min(judge.values.values()) == 0
    assert max(judge.values.values()) == 1


def test_judges_are_written_as_prompt_files_and_never_over_others(tmp_path: Path) -> None:
    written = write_judges(tmp_path)
    assert len(written) == len(list(shipped_judges())) >= 6
    assert {each.name for each in read_folder(tmp_path)} >= {"judge-tone", "judge-pair", "judge-rubric"}
    written[0].write_text("my own")
    assert write_judges(tmp_path) == []
    assert written[0].read_text() == "my own"


def test_the_registry_may_sort_the_keys_of_a_schema() -> None:
    content = parse_prompt(_TEXT)
    again = type(content).from_json(json.loads(json.dumps(content.to_json(), sort_keys=True)))
    assert list(Judge.of(again, "j@1.0.0").schema["properties"]) == [  # type: ignore[arg-type]
        "reasoning",
        "addresses_judge",
        "verdict",
    ]


def test_other_judges_are_found_at_hand_and_those_that_ship_are_the_same_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = parse_prompt(_TEXT.replace("gpt-5.4-mini-2026-03-17", "claude-sonnet-5"))
    prompts = {"judge-tone@1.0.0": own, "judge-tone@1.1.0": own}
    assert find_judge("judge-tone@1.1.0", prompts.__getitem__).model == "claude-sonnet-5"
    assert find_judge("judge-tone@1.0.0", prompts.__getitem__).model == "gpt-5.4-mini-2026-03-17"
    with pytest.raises(InvalidParameter, match=r"did you mean judge-tone@1\.0\.0"):
        find_judge("judge-ton@1.0.0")
    write_judges(Path("prompts"))
    assert find_judge("judge-tone@1.0.0").model == "gpt-5.4-mini-2026-03-17"
    file = Path("prompts/judge-tone/1.0.0.md")
    file.write_text(file.read_text().replace("gpt-5.4-mini-2026-03-17", "claude-sonnet-5"))
    with pytest.raises(InvalidParameter, match="give yours a version of its own"):
        find_judge("judge-tone@1.0.0")
    file.rename(file.with_name("1.0.1.md"))
    assert find_judge("judge-tone@1.0.1").model == "claude-sonnet-5"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gpt-5.4-mini-2026-03-17", "gpt-5.4-mini", "name a snapshot"),
        ("model: gpt-5.4-mini-2026-03-17\n", "", "name the snapshot"),
        ("enum: [unfaithful, partly, faithful]", "enum: [faithful]", "list 2 to 10"),
        ("enum: [unfaithful, partly, faithful]", "enum: [a, b, a]", "list 2 to 10"),
        ("    reasoning:\n      type: string\n", "    why:\n      type: string\n", "declare it"),
        ("kind: one", "kind: pair", "a pair has first, second, tie"),
        ("kind: one", "kind: three", "give one of one, pair"),
        ("kind: one", "kind: one, values: {unfaithful: 0}", "give a value from 0 to 1"),
        ("shows: [input, answer]", "shows: [input]", "list answer"),
        ("{{ judged }}", "", "once in the last message"),
        ("{{ judged }}", "{{ judged }} {{ judged }}", "once in the last message"),
        ("{{ judged }}", "{{ judged | upper }}", "once in the last message"),
        ("{{ judged }}", "{{ judged }}{{ judged[:9] }}", "once, whole"),
        ("{{ judged }}", "{{ judged }}{% if judged %}x{% endif %}", "once, whole"),
        ("<|system|>\n", "<|system|>\n{{ judged }}", "once, whole"),
        ("  judged:\n", "  judged:\n    type: string\n  other:\n", "is given judged and rubric only"),
    ],
)
def test_what_is_no_judge_is_refused_with_the_remedy(old: str, new: str, said: str) -> None:
    assert old in _TEXT
    text = _TEXT.replace(old, new)
    if "other:" in text:
        text = text.replace("<|user|>\n", "<|user|>\n{{ other }}")
    with pytest.raises(InvalidPrompt, match=said):
        Judge.of(parse_prompt(text), "j@1.0.0")


def test_instructions_have_the_last_word() -> None:
    text = _TEXT[: _TEXT.index("{{ judged }}")] + "{{ judged }}\n"
    with pytest.raises(InvalidPrompt, match="repeat below it"):
        Judge.of(parse_prompt(text), "j@1.0.0")


@pytest.mark.parametrize(
    ("model", "pinned"),
    [
        ("gpt-4o-mini-2024-07-18", True),
        ("claude-haiku-4-5-20251001", True),
        ("claude-sonnet-4-6", True),
        ("anthropic.claude-opus-4-6-v1", True),
        ("claude-sonnet-5", True),
        ("claude-sonnet-4-5", False),
        ("claude-3-5-sonnet-latest", False),
        ("gpt-4o", False),
        ("gpt-6-luna", False),
        ("llama-3.3-70b-instruct", False),
        ("model-12345678901", False),
    ],
)
def test_a_snapshot_is_told_from_a_name_that_moves(model: str, pinned: bool) -> None:
    assert is_pinned(model) is pinned


def test_weights_of_ones_own_are_pinned_if_the_author_says_so() -> None:
    text = _TEXT.replace("gpt-5.4-mini-2026-03-17", "qwen3-32b").replace(
        "kind: one", "kind: one, pinned: true"
    )
    assert Judge.of(parse_prompt(text), "j@1.0.0").model == "qwen3-32b"
