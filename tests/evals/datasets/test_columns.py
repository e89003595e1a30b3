import json
from pathlib import Path
from typing import Any

import pytest

from coalmine_evals.datasets.columns import case_of_columns, read_mapping
from coalmine_evals.datasets.jsonl import read_cases
from coalmine_schemas.mistakes import InvalidFile
from coalmine_schemas.prompts.errors import InvalidPrompt

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "gsm8k_model_solutions.jsonl.gz"


@pytest.mark.parametrize(
    ("entries", "line", "variables", "expected", "id_"),
    [
        (
            ["variables.q=question", "expected=answer"],
            {"question": "1+1?", "answer": "2"},
            {"q": "1+1?"},
            "2",
            None,
        ),
        (["id=meta.n,variables=in"], {"meta": {"n": 7}, "in": {"a": [1]}}, {"a": [1]}, None, "7"),
        (["variables.q=turns.-1.text"], {"turns": [{"text": "x"}, {"text": "y"}]}, {"q": "y"}, None, None),
        (["variables.q=a.b"], {"a.b": 1, "a": {"b": 2}}, {"q": 1}, None, None),
        (["variables.q=a|b"], {"b": 2}, {"q": 2}, None, None),
        (
            ["langfuse"],
            {"id": "i", "input": {"question": "x"}, "expectedOutput": "y", "metadata": None},
            {"question": "x"},
            "y",
            "i",
        ),
        (["langfuse"], {"id": "i", "input": "x", "expected_output": "y"}, {"input": "x"}, "y", "i"),
        (["langsmith"], {"id": "i", "inputs": {"q": "x"}, "outputs": {"answer": "y"}}, {"q": "x"}, "y", "i"),
        (
            ["langsmith"],
            {"inputs": {"q": "x"}, "outputs": {"a": 1, "b": 2}},
            {"q": "x"},
            {"a": 1, "b": 2},
            None,
        ),
        (
            ["openai-evals"],
            {"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "ideal": "y"},
            {"input": "u"},
            "y",
            None,
        ),
        (["langsmith", "expected=outputs.b"], {"inputs": {}, "outputs": {"b": 2}}, {}, 2, None),
    ],
)
def test_other_tools_columns_become_cases(
    entries: list[str], line: dict[str, Any], variables: object, expected: object, id_: str | None
) -> None:
    case = case_of_columns(line, read_mapping(entries))
    assert (case.variables, case.expected) == (variables, expected)
    assert case.id == id_ or (id_ is None and len(case.id) == 16)


def test_without_a_column_for_it_the_same_question_has_the_same_id(tmp_path: Path) -> None:
    mapping = read_mapping(["variables.q=question"])
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps({"question": each}) + "\n" for each in ("a", "b", "a")))
    with pytest.raises(InvalidFile, match="line 1 has it, too"):
        read_cases(path, mapping=mapping)


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ("answer=expected", "expected=answer"),
        ("expectd=answer", "fields of a case are id"),
        ("langfues", "did you mean langfuse"),
        ("expected=", "name the column"),
        ("variables.=x", "fields of a case are id"),
        ("", "FIELD=COLUMN"),
    ],
)
def test_a_mapping_that_is_none_says_what_to_write(entry: str, remedy: str) -> None:
    with pytest.raises(InvalidPrompt) as raised:
        read_mapping([entry])
    assert remedy in str(raised.value)


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"question": "x", "gold": 1}\n')
    with pytest.raises(InvalidFile) as raised:
        read_cases(tmp_path / "c.jsonl", mapping=read_mapping(["variables.q=question", "expected=answer"]))
    assert str(raised.value) == "c.jsonl:1: a column is 'answer': the line has question, gold"


@pytest.mark.skipif(not SHARED.is_file(), reason="needs the recorded answers that are not in the repository")
def test_recorded_answers_of_a_published_benchmark_are_read() -> None:
    cases = read_cases(SHARED, mapping=read_mapping(["variables.question=question", "expected=ground_truth"]))
    assert len({each.id for each in cases}) == 1_319
