"""Recorded answers: repeats in their order, and mistakes by line."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine_evals.providers.recorded import read_outputs
from coalmine_schemas.mistakes import InvalidFile


def test_lines_of_a_case_are_its_repeats(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(
            '{"case": "a", "output": "one", "model": "m-1", "input_tokens": 3, "cost_nano_usd": 7, '
            '"latency_ms": 12, "answered_at": "2026-11-28T20:00:00Z", "note": "kept by others"}\n'
            '{"id": "b", "output": "two"}\n'
            '{"case": "a", "output": null, "error": "timeout"}\n'
        )
    found = read_outputs(path)
    first = found.output("a", 0)
    assert (first.text, first.response_model, first.input_tokens, first.cost_nano_usd) == ("one", "m-1", 3, 7)
    assert (first.latency_ms, first.answered_at) == (12.0, datetime(2026, 11, 28, 20, tzinfo=UTC))
    assert first.cached
    assert found.output("a", 1).error == "timeout"
    assert found.output("b", 0).text == "two"
    assert found.output("b", 1).error == "missing: answers.jsonl.gz has 1 of 2 answers to this case"
    assert found.output("c", 0).error == "missing: answers.jsonl.gz has 0 of 2 answers to this case"


def test_other_answers_have_another_digest(tmp_path: Path) -> None:
    digests = set()
    for number, text in enumerate(('{"case": "a", "output": "1"}', '{"case": "a", "output": "2"}')):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(text)
        digests.add(read_outputs(path).digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"output": "x"}', "1: case is None"),
        ('{"case": 3.5, "output": "x"}', "1: case is 3.5"),
        ('{"case": "a"}', "1: output is None: each line needs it"),
        ('{"case": "a", "output": {"b": 1}}', "1: output is"),
        ('{"case": "a", "output": "x", "input_tokens": "many"}', "1: input_tokens is 'many'"),
        ('{"case": "a", "output": "x", "input_tokens": -1}', "1: input_tokens is -1: give a number from 0"),
        ('{"case": "a", "output": "x", "output_tokens": true}', "1: output_tokens is True"),
        ('{"case": "a", "output": "x", "cost_nano_usd": -5}', "1: cost_nano_usd is -5"),
        ('{"case": "a", "output": "x", "cost_nano_usd": 1e3}', "1: cost_nano_usd is 1000.0"),
        ('{"case": "a", "output": "x", "cost_nano_usd": 9007199254740993}', "1: cost_nano_usd is"),
        ('{"case": "a", "output": "x", "latency_ms": -0.5}', "1: latency_ms is -0.5"),
        ('{"case": "a", "output": "x", "model": 5}', "1: model is 5: give a text"),
        ('{"case": "a", "output": "x", "answered_at": "today"}', "1: answered_at is 'today'"),
        ("[]", "1: "),
        ("", "has no answer"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(line)
    with pytest.raises(InvalidFile) as error:
        read_outputs(path)
    assert said in str(error.value)
