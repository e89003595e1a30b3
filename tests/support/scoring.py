"""Scores one answer in a test."""

import asyncio
from collections.abc import Mapping
from typing import Any

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.registry import scorer_of
from coalmine_schemas.prompts.json_values import JsonValue


def case_of(expected: Any = None, variables: Mapping[str, JsonValue] | None = None) -> Case:
    return Case(
        id="one",
        variables=variables or {},
        expected=expected,
        capabilities=(),
        cluster="one",
        split="test",
        must_pass=False,
        source=None,
    )


def score(
    scorer: str,
    output: str,
    wanted: Any = None,
    *,
    variables: Mapping[str, JsonValue] | None = None,
    **settings: Any,
) -> Score:
    """What a scorer says about an answer."""
    return asyncio.run(scorer_of(scorer, settings).score(case_of(wanted, variables), output))


def value(scorer: str, output: str, wanted: Any = None, **settings: Any) -> float | None:
    """The same without the details."""
    return score(scorer, output, wanted, **settings).value
