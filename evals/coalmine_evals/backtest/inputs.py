"""Reads what stored requests asked, and makes cases of it."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from coalmine_consumers.sql import Source, statement
from coalmine_evals.datasets.recover import variables_of
from coalmine_evals.results.backtest import ProductionInput, ProductionInputs
from coalmine_evals.results.datasets import Case
from coalmine_schemas.prompts import PromptContent

_COUNTS = """
SELECT count(*) AS requests FROM requests
WHERE prompt = $prompt AND environment = $environment AND event_time >= $since AND event_time < $until
  AND coalesce(outcome, 'unknown') IN ('ok', 'unknown', 'truncated') AND error_type IS NULL
"""


def stored_inputs(
    source: Source, *, prompt: str, environment: str, since: datetime, until: datetime, most: int
) -> ProductionInputs:
    """Returns a sample of what requests asked, by a hash of their ids.

    Args:
        source: The store.
        prompt: Of which prompt.
        environment: Where.
        since: When they began, at the earliest.
        until: Before then.
        most: How many to return.
    """
    parameters = {"prompt": prompt, "environment": environment, "since": since, "until": until}
    rows = source.rows(statement("stored_inputs", __package__), {**parameters, "most": most})
    if not rows:
        (found,) = source.rows(_COUNTS, parameters)
        return ProductionInputs(int(found["requests"]), 0, ())
    sample = tuple(
        ProductionInput(row["request_id"], row["version"], row["input_text"], row["cluster"]) for row in rows
    )
    return ProductionInputs(int(rows[0]["requests"]), int(rows[0]["with_texts"]), sample)


def cases_of(
    inputs: Sequence[ProductionInput],
    content: Callable[[str], PromptContent | None],
    variable: str | None = None,
) -> tuple[list[Case], dict[str, int]]:
    """Makes cases of inputs: the values that the prompt was filled with are read back out of its text.

    Args:
        inputs: What was asked.
        content: Returns a version of the prompt; None if there is none.
        variable: Takes what the user said, where the text does not show with what the prompt was filled.

    Returns:
        The cases, and how many inputs could not be used, by reason.
    """
    cases: list[Case] = []
    skipped: Counter[str] = Counter()
    for each in inputs:
        prompt = content(each.version)
        values = None if prompt is None else variables_of(prompt, each.input_text)
        if values is None and variable is not None:
            values = {variable: said_by_user(each.input_text)}
        if values is None:
            gone = f"version {each.version} is not in the registry"
            skipped[gone if prompt is None else _UNREADABLE] += 1
            continue
        case = Case(
            id=each.request_id,
            variables=values,
            expected=None,
            capabilities=(),
            cluster=each.cluster,
            split="test",
            must_pass=False,
            source=f"request:{each.request_id}",
        )
        cases.append(case)
    return cases, dict(skipped)


def said_by_user(stored: str) -> str:
    """Returns what the user said last, of messages as JSON; one text whole."""
    try:
        messages = json.loads(stored)
    except (ValueError, RecursionError):
        return stored
    if not isinstance(messages, list):
        return stored
    said = [each for each in messages if isinstance(each, dict) and each.get("role") == "user"]
    last = said[-1].get("content") if said else None
    return last if isinstance(last, str) else stored


_UNREADABLE = (
    "their text does not show with which variables it was rendered: name the one that what the user said "
    "belongs to, by --variable"
)
