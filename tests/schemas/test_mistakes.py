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
