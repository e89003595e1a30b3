"""Choosing between JSON and Arrow."""

import pytest

from coalmine_server.api.problems import ProblemError
from coalmine_server.api.representation import representation

ARROW = "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("application/*", "json"),
        ("application/json", "json"),
        (ARROW, "arrow"),
        (ARROW.upper(), "arrow"),
        (f"{ARROW}, application/json;q=0.5", "arrow"),
        (f"{ARROW};q=0.4, application/json;q=0.5", "json"),
        (f"{ARROW}, */*", "json"),
        (f"application/json;q=0, {ARROW};q=0.1", "arrow"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
    ],
)
def test_the_better_of_two(accept: str | None, expected: str) -> None:
    assert representation(accept) == expected


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "nonsense", "application/json;q=zero"]
)
def test_neither_is_not_acceptable(accept: str) -> None:
    with pytest.raises(ProblemError) as caught:
        representation(accept)
    assert caught.value.kind.status == 406
