"""Reads what stored requests asked, and makes cases of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from coalmine_consumers.sql import Source, statement
from coalmine_evals.backtest.variables import recovered, said_by_user
from coalmine_evals.results.backtest import ProductionInput, ProductionInputs
from coalmine_evals.results.datasets import Case
from coalmine_schemas.prompts.templating import CompiledPrompt

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
    compiled: Callable[[str], CompiledPrompt | None],
    variable: str | None = None,
) -> tuple[list[Case], dict[str, int]]:
    """Makes cases of inputs: the values that the prompt was rendered with are read back out of its text.

    Args:
        inputs: What was asked.
        compiled: Returns a version of the prompt, ready to render; None if there is no such version.
        variable: Takes what the user said whole, where the text does not show with what it was rendered.

    Returns:
        The cases, and how many inputs could not be used, by reason.
    """
    cases: list[Case] = []
    skipped: Counter[str] = Counter()
    for each in inputs:
        prompt = compiled(each.version)
        values = None if prompt is None else recovered(prompt, each.input_text)
        if values is None:
            name = variable or _only_variable(prompt)
            if name is None:
                reason = f"version {each.version} is not in the registry" if prompt is None else _UNREADABLE
                skipped[reason] += 1
                continue
            values = {name: said_by_user(each.input_text)}
        cases.append(
            Case(
                id=each.request_id,
                variables=values,
                expected=None,
                capabilities=(),
                cluster=each.cluster,
                split="test",
                must_pass=False,
                source=f"request:{each.request_id}",
            )
        )
    return cases, dict(skipped)


_UNREADABLE = (
    "its text does not show with which variables it was rendered: name the one that what the user said "
    "belongs to, by --variable"
)


def _only_variable(prompt: CompiledPrompt | None) -> str | None:
    """The variable of a prompt that takes just one text."""
    if prompt is None:
        return None
    names = [name for name, each in prompt.variables.items() if each.required]
    only = names if names else list(prompt.variables)
    return only[0] if len(only) == 1 and prompt.variables[only[0]].type == "string" else None
