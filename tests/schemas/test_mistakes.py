import pickle

import pytest

from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompts.errors import InvalidPrompt


def test_all_mistakes_are_told_at_once_with_their_place() -> None:
    mistakes = Mistakes("suite.yaml: ")
    mistakes.tell()
    for name in ("a", "b"):
        with mistakes.noted("metrics."):
            raise InvalidPrompt(name, 1, "give a text")
    with pytest.raises(InvalidFile) as raised:
        mistakes.tell()
    assert (
        str(raised.value)
        == "suite.yaml: metrics.a is 1: give a text\nsuite.yaml: metrics.b is 1: give a text"
    )
    assert pickle.loads(pickle.dumps(raised.value)).mistakes == raised.value.mistakes


def test_what_is_no_mistake_of_the_file_is_raised() -> None:
    mistakes = Mistakes()
    with pytest.raises(ZeroDivisionError), mistakes.noted():
        raise ZeroDivisionError
    assert mistakes.found == []


def test_a_mistake_that_every_line_has_is_told_a_few_times_and_counted() -> None:
    mistakes = Mistakes("answers.jsonl:")
    for number in range(1, 1_001):
        with mistakes.noted(f"{number}: "):
            raise InvalidPrompt("column", "a" if number % 2 else "b", "name another")
    with mistakes.noted("1001: "):
        raise InvalidPrompt("id", "x", "give each case an id of its own")
    with pytest.raises(InvalidFile) as raised:
        mistakes.tell()
    told = raised.value.mistakes
    assert told[0] == "answers.jsonl:1: column is 'a': name another"
    assert "answers.jsonl:1001: id is 'x': give each case an id of its own" in told
    assert told[-1] == "... and 995 more like it: column: name another"
    assert len(told) == 7
