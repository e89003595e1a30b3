"""`docs/opentelemetry.md` names every attribute that is read, and no other."""

import re
from typing import Any

from coalmine_server.services.otlp import names
from coalmine_server.services.otlp.calls import OPERATIONS
from tests.support.repository.tree import ROOT

_TEXT = (ROOT / "docs" / "opentelemetry.md").read_text(encoding="utf-8")


def _names(value: Any) -> set[str]:
    """Names of attributes and events in a table of `names`, which has them as keys or in tuples."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set(value) if value is names.PARAMETERS else set().union(*map(_names, value.values()))
    return set().union(*map(_names, value)) if isinstance(value, tuple) else set()


def _read() -> set[str]:
    return set().union(
        *(_names(value) for name, value in vars(names).items() if name.isupper() and not name.startswith("_"))
    )


def test_the_page_names_every_attribute_that_is_read() -> None:
    told = set(re.findall(r"`([^`\n]+)`", _TEXT))
    missing = {name for name in _read() if name not in told and f"{name}NAME" not in told}
    assert missing == set()


def test_the_table_names_no_attribute_that_is_not_read() -> None:
    table = _TEXT.partition("### What is read")[2].partition("A span is a call")[0]
    told = {name.removesuffix("NAME") for name in re.findall(r"`([\w.]+\.[\w.]+)`", table)}
    assert told - _read() - {"exception.type", "error.type", "openai.RateLimitError"} == set()


def test_the_page_says_which_operations_are_calls() -> None:
    previous = {"completion", "embedding"}
    assert all(f"`{operation}`" in _TEXT for operation in OPERATIONS - previous)
